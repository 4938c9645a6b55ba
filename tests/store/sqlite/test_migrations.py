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
