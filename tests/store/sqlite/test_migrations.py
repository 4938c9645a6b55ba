"""Schema steps."""

import sqlite3

import pytest

from proxy.store.sqlite.migrations import (
    NEWEST,
    STEPS,
    SchemaTooNew,
    migrate,
    schema_version,
)


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def test_an_empty_file_gets_every_step(connection):
    assert schema_version(connection) == 0
    assert migrate(connection) == 0
    assert schema_version(connection) == NEWEST == len(STEPS)


def test_migrating_twice_changes_nothing(connection):
    migrate(connection)
    key = connection.execute("SELECT value FROM meta WHERE key='hmac_key'").fetchone()
    assert migrate(connection) == NEWEST
    again = connection.execute("SELECT value FROM meta WHERE key='hmac_key'").fetchone()
    assert again == key


def test_a_file_without_drains_gets_a_table_for_them(connection):
    before = next(n for n, x in enumerate(STEPS) if "TABLE drains" in x[0])
    connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID")
    for step in STEPS[:before]:
        for statement in step:
            connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('schema', ?)", (before,))
    assert migrate(connection) == before
    assert connection.execute("SELECT count(*) FROM drains").fetchone() == (0,)


def test_a_step_that_fails_leaves_the_old_schema(connection, monkeypatch):
    migrate(connection)
    broken = (*STEPS, ("CREATE TABLE extra (x)", "THIS IS NOT SQL"))
    monkeypatch.setattr("proxy.store.sqlite.migrations.STEPS", broken)
    monkeypatch.setattr("proxy.store.sqlite.migrations.NEWEST", len(broken))
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    connection.execute("ROLLBACK")
    assert schema_version(connection) == len(STEPS)


def test_a_newer_schema_is_refused(connection):
    migrate(connection)
    connection.execute("UPDATE meta SET value = ? WHERE key='schema'", (NEWEST + 1,))
    with pytest.raises(SchemaTooNew):
        migrate(connection)
