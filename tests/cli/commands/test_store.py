"""`waypost store` on the command line: migrate, backup, restore."""

import pytest

from proxy.store.factory import sqlite_path

pytestmark = pytest.mark.here


def test_a_store_is_moved_and_the_command_says_what_was(waypost, tmp_path):
    waypost.create()
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("waypost", "b"))
    assert waypost("store", "migrate", source, target) == 0
    assert "endpoints         1 row, 1 written" in waypost.out
    assert waypost.out.splitlines()[-1].startswith("both are the same: now change url")
    assert sqlite_path(target).stat().st_mode & 0o777 == 0o600
    assert waypost("store", "migrate", source, target) == 1
    assert "name an empty store" in waypost.err


def test_a_move_tells_scripts_what_was_moved(waypost, tmp_path):
    waypost.create()
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("waypost", "b"))
    assert waypost("--json", "store", "migrate", source, target) == 0
    assert {"section": "audit", "rows": 1, "written": 1} in waypost.json


def test_a_wrong_url_says_what_to_write(waypost, tmp_path):
    waypost.create()
    source = f"sqlite:///{tmp_path}/waypost.db"
    assert waypost("store", "migrate", source, "redis://h/zero") == 1
    assert "not the number of a Redis database" in waypost.err
    assert waypost("store", "migrate", source, "mysql://h/0") == 3
    assert '"mysql" is not known' in waypost.err


def test_a_long_move_says_how_far_it_is(waypost, tmp_path, monkeypatch):
    waypost.create()
    monkeypatch.setattr("proxy.cli.commands.store.SELDOM", 0.0)
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("waypost", "b"))
    assert waypost("store", "migrate", source, target) == 0
    assert "endpoints: 0 of 1" in waypost.err.splitlines()
    assert "comparing: " in waypost.err and "comparing: " not in waypost.out


def test_sentinels_without_the_name_of_a_master_are_refused(waypost, tmp_path):
    waypost.create()
    source = f"sqlite:///{tmp_path}/waypost.db"
    assert waypost("store", "migrate", source, "redis+sentinel://s1,s2/0") == 1
    assert "name of the master is missing" in waypost.err


def test_a_store_is_saved_broken_and_put_back(waypost, tmp_path):
    waypost.create()
    backup, store = tmp_path / "b.db", tmp_path / "waypost.db"
    assert waypost("store", "backup", str(backup)) == 0
    assert waypost.out.splitlines()[1:] == [
        "  1 endpoint, 0 contacts, 0 legacy users, 1 change"
    ]
    assert waypost("endpoint", "remove", "ocschat@contoso.test") == 0
    assert waypost("store", "restore", str(backup)) == 1
    assert "lacks: changes up to endpoint.remove by " in waypost.err
    line = "store", "restore", str(backup), "--force"
    assert waypost(*line, "--what-if") == 0
    assert "What if:   not in it: changes up to endpoint.remove" in waypost.out
    assert waypost("endpoint", "get", "--json") == 0 and waypost.json == []
    assert waypost(*line) == 0
    assert waypost.out.splitlines()[-1] == "now start the service"
    assert waypost("endpoint", "get", "--json") == 0 and len(waypost.json) == 1
    kept = [*tmp_path.glob("waypost.db.before-restore-*")]
    assert len(kept) == 1
    store.write_text("broken")
    assert waypost("endpoint", "get") == 3
    assert waypost("--json", "store", "restore", str(backup)) == 0
    assert "it cannot be read" in waypost.json["lost"][0]
    assert "before-restore-" in waypost.json["kept"]
    assert waypost("endpoint", "get", "--json") == 0 and len(waypost.json) == 1
    assert waypost("endpoint", "history") == 0
    assert "store.restore" in waypost.out


def test_a_backup_tells_scripts_what_is_in_it(waypost, tmp_path):
    waypost.create()
    assert waypost("--json", "store", "backup", str(tmp_path / "b.db")) == 0
    assert waypost.json["rows"]["endpoints"] == 1
    assert waypost.json["newest_change"]["verb"] == "endpoint.new"
    assert waypost.json["bytes"] == (tmp_path / "b.db").stat().st_size


def test_a_folder_of_backups_keeps_the_newest(waypost, tmp_path):
    waypost.create()
    folder = tmp_path / "daily"
    folder.mkdir()
    (folder / "waypost-20200101T000000Z.db").write_text("of long ago")
    assert waypost("store", "backup", str(folder), "--keep", "1") == 0
    assert f"removed {folder}/waypost-20200101T000000Z.db" in waypost.out
    assert len([*folder.iterdir()]) == 1
    line = "store", "backup", str(tmp_path / "b.db"), "--keep", "1"
    assert waypost(*line) == 1
    assert "--keep is for a folder" in waypost.err


def test_a_check_has_verdicts_and_an_exit_code(waypost, tmp_path):
    assert waypost("store", "check") == 1
    assert "failed  " in waypost.out and "-> the service or any command" in waypost.out
    waypost.create()
    assert waypost("store", "check") == 0
    assert waypost.out.splitlines()[-1].endswith("0 unknown, 0 failed")
    (tmp_path / "waypost.db").chmod(0o644)
    assert waypost("store", "check") == 0
    assert waypost("--json", "store", "check", "--strict") == 5
    steps = {step["name"]: step for step in waypost.json["steps"]}
    assert steps["mode"]["verdict"] == "warning"
    (tmp_path / "waypost.db").write_text("broken")
    assert waypost("store", "check") == 1
    assert "waypost store restore FILE" in waypost.out


PLAN = """
[[change]]
sip_address = "ocschat@contoso.test"
pool_fqdn = "new.contoso.test"
"""


def test_a_pending_cutover_in_a_backup_is_named(waypost, tmp_path):
    waypost.create()
    plan, backup = tmp_path / "plan.toml", str(tmp_path / "b.db")
    plan.write_text(PLAN)
    line = "cutover", "apply", str(plan), "--force", "--confirm-within", "30"
    assert waypost(*line) == 0
    assert waypost("store", "backup", backup) == 0
    assert waypost("store", "restore", backup, "--what-if") == 0
    assert "cutover 1 is not confirmed in it: when its time is over" in waypost.out
    assert waypost("cutover", "confirm") == 0
    assert waypost("store", "backup", backup) == 0
    assert waypost("store", "restore", backup, "--what-if") == 0
    assert "not confirmed" not in waypost.out
