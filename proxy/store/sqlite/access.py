"""Tokens and people of the console in the SQLite file.

The methods block, and run in the store's one thread, like those of ``file.py``.
"""

import json
import sqlite3

from proxy.store.access import (
    Access,
    AccessKind,
    access_from_json,
    access_to_json,
)
from proxy.store.actor import Actor
from proxy.store.sqlite.registrar import Transaction, write_audit


class SqliteAccess:
    """The tables of access of an open file."""

    def __init__(self, db: sqlite3.Connection, transaction: Transaction) -> None:
        self._db = db
        self._transaction = transaction

    def accesses(self) -> list[Access]:
        """Each with its last use."""
        rows = self._db.execute(
            "SELECT kind, name, body, coalesce(at, 0.0), coalesce(source, '')"
            " FROM access LEFT JOIN access_used USING (kind, name) ORDER BY kind, name"
        )
        return [
            access_from_json(kind, name, json.loads(body), at, source)
            for kind, name, body, at, source in rows
        ]

    def set_access(
        self, access: Access, verb: str, actor: Actor, now: float, is_new: bool
    ) -> bool:
        """Write it when the condition holds; a new one has never been used."""
        key, body = (access.kind, access.name), json.dumps(access_to_json(access))
        with self._transaction():
            if self._is_there(key) == is_new:
                return False
            if is_new:
                self._forget_use(key)
            self._db.execute(
                "INSERT OR REPLACE INTO access VALUES (?, ?, ?)", (*key, body)
            )
            write_audit(self._db, actor, verb, key, now)
        return True

    def remove_access(
        self, kind: AccessKind, name: str, verb: str, actor: Actor, now: float
    ) -> bool:
        """Delete it and its last use."""
        key = (kind, name)
        with self._transaction():
            if not self._is_there(key):
                return False
            self._db.execute("DELETE FROM access WHERE kind = ? AND name = ?", key)
            self._forget_use(key)
            write_audit(self._db, actor, verb, key, now)
        return True

    def note_access_use(
        self, kind: AccessKind, name: str, at: float, source: str
    ) -> None:
        """Note the use of one that exists: it may have been revoked a moment ago."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO access_used SELECT ?, ?, ?, ?"
                " WHERE EXISTS (SELECT 1 FROM access WHERE kind = ? AND name = ?)",
                (kind, name, at, source, kind, name),
            )

    def note_look(self, actor: Actor, verb: str, call_id: str, now: float) -> None:
        """Write a row of the history, and nothing else."""
        with self._transaction():
            write_audit(self._db, actor, verb, ("call", call_id), now)

    def _is_there(self, key: tuple[str, str]) -> bool:
        found = self._db.execute(
            "SELECT 1 FROM access WHERE kind = ? AND name = ?", key
        )
        return found.fetchone() is not None

    def _forget_use(self, key: tuple[str, str]) -> None:
        self._db.execute("DELETE FROM access_used WHERE kind = ? AND name = ?", key)
