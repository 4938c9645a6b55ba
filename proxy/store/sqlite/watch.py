"""Leases and the guard's counts in the SQLite file.

The methods block, and run in the store's one thread, like those of ``file.py``.  A
lease ends by the time since the start of the machine, which nobody can set; after
another start it is over.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final

from proxy import clock
from proxy.store.sqlite.registrar import Transaction

_HOLDER: Final = (
    "SELECT holder FROM leases WHERE name = ? AND machine = ? AND until > ?"
)
_LATER: Final = "SELECT 1 FROM guard_counts WHERE cutover > ?"


class SqliteWatch:
    """The watch's tables of an open file."""

    def __init__(self, db: sqlite3.Connection, transaction: Transaction) -> None:
        self._db = db
        self._transaction = transaction

    def hold_lease(self, name: str, holder: str, seconds: float) -> str:
        """Take, renew or give back a lease; returns who holds it."""
        machine, now = clock.uptime()
        with self._transaction():
            row = self._db.execute(_HOLDER, (name, machine, now)).fetchone()
            if row is not None and row[0] != holder:
                return str(row[0])
            values = (name, holder, machine, now + seconds)
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", values
            )
        return holder if seconds else ""

    def add_guarded(self, cutover: int, counts: Mapping[str, int]) -> None:
        """Add a batch in one transaction; counts of an earlier cutover are dropped."""
        with self._transaction():
            if self._db.execute(_LATER, (cutover,)).fetchone() is not None:
                return
            self._db.execute("DELETE FROM guard_counts WHERE cutover < ?", (cutover,))
            self._db.executemany(
                "INSERT INTO guard_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET count = count + excluded.count",
                [(cutover, what, count) for what, count in counts.items()],
            )

    def guarded(self, cutover: int) -> dict[str, int]:
        """The counts, by what was counted."""
        rows = self._db.execute(
            "SELECT what, count FROM guard_counts WHERE cutover = ?", (cutover,)
        )
        return dict(rows.fetchall())
