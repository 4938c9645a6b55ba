"""`waypost store migrate` on the command line."""

import pytest

from proxy.store.factory import sqlite_path

pytestmark = pytest.mark.here


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
