"""What only the file itself can show: locks, damage, foreign schemas."""

import sqlite3

import pytest

from proxy.store import Actor, StoreError
from proxy.store.sqlite.file import SqliteFile

ACTOR = Actor("a", "b")


@pytest.fixture
def path(tmp_path):
    SqliteFile(tmp_path / "w.db").close()
    return tmp_path / "w.db"


def test_commits_survive_a_power_cut_and_readers_do_not_wait(path):
    file = SqliteFile(path)
    assert file._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file._db.execute("PRAGMA synchronous").fetchone() == (2,)
    file.close()


def test_a_tidy_file_has_an_empty_log_and_all_of_it_in_itself(path, tmp_path):
    file = SqliteFile(path)
    log = path.with_name("w.db-wal")
    file.ledger.set_note("x", "in the log")
    assert log.stat().st_size
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM notes").fetchall()
    file.ledger.set_note("x", "later")
    file.tidy()  # waits for nobody
    assert log.stat().st_size
    reader.execute("ROLLBACK")
    file.tidy()
    assert not log.stat().st_size
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    other = SqliteFile(copy)
    assert other.ledger.note("x") == "later"
    other.close()
    reader.close()
    file.ledger.set_note("x", "goes on")
    assert file.fresh() is None
    file.close()


def test_a_locked_file_says_who_to_ask(path):
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    file = SqliteFile(path, busy_seconds=0.01)
    with pytest.raises(StoreError, match="locked by another process"):
        file.change(ACTOR, "x", lambda table: [], 1.0)
    assert file.load_table().endpoints == {}
    holder.execute("ROLLBACK")
    assert file.change(ACTOR, "x", lambda table: [], 1.0) == []
    holder.close()
    file.close()


def test_a_file_of_a_newer_version_is_left_alone(path):
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=r"newer waypost \(schema 99"):
        SqliteFile(path)


def test_a_file_that_cannot_be_written_says_so(path):
    file = SqliteFile(path)
    file._db.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError, match="cannot be written: check the mode"):
        file.forget_learned(1.0)
    file.close()


def test_a_full_disk_says_so(path):
    file = SqliteFile(path)
    file._db.execute("PRAGMA max_page_count = 1")
    rows = [_row("x" * 100_000)]
    with pytest.raises(StoreError, match="no room"):
        file.change(ACTOR, "x", lambda table: rows, 1.0)
    assert file.load_table().endpoints == {}
    file.close()


def _row(name):
    from proxy.endpoints.changes import RowChange
    from proxy.endpoints.model import Endpoint

    return RowChange(None, Endpoint("sip:a@b.c", "a@b.c", "p.q", name))


def test_a_damaged_page_is_reported_and_not_swallowed(path):
    file = SqliteFile(path)
    rows = [_row("x" * 50_000)]
    file.change(ACTOR, "x", lambda table: rows, 1.0)
    file.close()
    size = path.stat().st_size
    with path.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreError, match="damaged"):
        SqliteFile(path).load_table()
