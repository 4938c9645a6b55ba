"""Learned service URIs in the SQLite file: a row for each address and pool.

They are used and forgotten by address: a call to one counts for all its rows.

The methods block, and run in the store's one thread, inside transactions of
``file.py``.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from proxy.endpoints.model import LearnedUri
from proxy.endpoints.table import MOST_POOLS

_COLUMNS: Final = "key, pool_fqdn, uri, endpoint_key, learned_at, last_used_at"
_USE: Final = (
    "UPDATE learned_by_pool SET last_used_at = max(last_used_at, ?) WHERE key = ?"
)
_KNOWN: Final = (
    "SELECT 1 FROM learned_by_pool WHERE key = ? AND pool_fqdn = ? AND endpoint_key = ?"
)
_INSERT: Final = (
    f"INSERT OR REPLACE INTO learned_by_pool ({_COLUMNS}) SELECT ?, ?, ?, ?, ?, ?"
    " WHERE EXISTS (SELECT 1 FROM endpoints WHERE key = ?)"
)
# Rows of another endpoint, and those of the pools that handed it out longest ago.
_OTHERS: Final = (
    "DELETE FROM learned_by_pool WHERE key = ? AND (endpoint_key != ? OR pool_fqdn"
    " NOT IN (SELECT pool_fqdn FROM learned_by_pool WHERE key = ?"
    f" ORDER BY learned_at DESC LIMIT {MOST_POOLS}))"
)


class SqliteLearned:
    """The table of an open file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def rows(self) -> list[LearnedUri]:
        """All of them."""
        found = self._db.execute(f"SELECT {_COLUMNS} FROM learned_by_pool")
        return [
            LearnedUri(uri, key, pool, endpoint, learned_at, used_at)
            for key, pool, uri, endpoint, learned_at, used_at in found
        ]

    def learn(self, key: str, uri: str, pool: str, endpoint: str, now: float) -> bool:
        """Insert a row, or note a use; False when nothing changed for requests."""
        if self._db.execute(_KNOWN, (key, pool, endpoint)).fetchone():
            self._db.execute(_USE, (now, key))
            return False
        row = key, pool, uri, endpoint, now, now, endpoint
        if not self._db.execute(_INSERT, row).rowcount:
            return False
        self._db.execute(_OTHERS, (key, endpoint, key))
        self._db.execute(_USE, (now, key))
        return True

    def touch(self, used: Mapping[str, float]) -> None:
        """Times of last use, which only move forward."""
        self._db.executemany(_USE, [(at, key) for key, at in used.items()])

    def forget(self, before: float) -> int:
        """Delete rows last used before an instant; returns how many."""
        words = "DELETE FROM learned_by_pool WHERE last_used_at < ?"
        return self._db.execute(words, (before,)).rowcount

    def forget_endpoint(self, key: str) -> None:
        """Delete the rows of an endpoint that is gone."""
        self._db.execute("DELETE FROM learned_by_pool WHERE endpoint_key = ?", (key,))
