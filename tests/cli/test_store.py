"""`waypost store migrate` on the command line."""

from proxy.store.factory import sqlite_path


def test_a_store_is_moved_and_the_command_says_what_was(waypost, tmp_path):
    waypost.create()
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("waypost", "b"))
    assert waypost("store", "migrate", source, target) == 0
    assert "endpoints         1 rows, 1 written" in waypost.out
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
