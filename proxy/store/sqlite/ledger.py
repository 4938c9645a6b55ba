"""The usage ledger and notes in the SQLite file.

Blocking, and used from the store's one thread, like ``file``.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from proxy.endpoints.usage import OTHERS, Usage, merged
from proxy.store.ledger import MAX_USERS
from proxy.store.sqlite.registrar import Transaction

_COLUMNS: Final = (
    "endpoint_key, aor, first_at, last_at, count, failed, user_agent, epid, source"
)
_ADD: Final = (
    f"INSERT INTO usage ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at),"
    " last_at = max(last_at, excluded.last_at), count = count + excluded.count,"
    " failed = failed + excluded.failed, user_agent = excluded.user_agent,"
    " epid = excluded.epid, source = excluded.source"
)
_KNOWN: Final = "SELECT 1 FROM usage WHERE endpoint_key = ? AND aor = ?"


class SqliteLedger:
    """The ledger's tables of an open file."""

    def __init__(
        self,
        db: sqlite3.Connection,
        transaction: Transaction,
        max_users: int = MAX_USERS,
    ) -> None:
        self._db = db
        self._transaction = transaction
        self._max_users = max_users
        self._at_most = max_users  # rows there can be; counted when it matters

    def add_usage(self, rows: Sequence[Usage]) -> None:
        """One transaction for a whole batch."""
        with self._transaction():
            self._db.executemany(_ADD, map(_values, self._within_limit(rows)))

    def _within_limit(self, rows: Sequence[Usage]) -> Sequence[Usage]:
        """Names that are new when the ledger is full are counted under one."""
        self._at_most += len(rows)
        if self._at_most > self._max_users:
            # Counting walks the table, so it is done when the guess comes too high.
            known = self._db.execute("SELECT count(*) FROM usage").fetchone()[0]
            self._at_most = known + len(rows)
        if self._at_most <= self._max_users:
            return rows
        return merged(
            (),
            [
                row
                if self._db.execute(_KNOWN, (row.endpoint_key, row.aor)).fetchone()
                else replace(row, aor=OTHERS)
                for row in rows
            ],
        )

    def usage(self, endpoint_key: str | None) -> list[Usage]:
        """The latest first."""
        where = "" if endpoint_key is None else "WHERE endpoint_key = ?"
        values = () if endpoint_key is None else (endpoint_key,)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM usage {where} ORDER BY last_at DESC, aor", values
        )
        return [Usage(*row) for row in rows]

    def note(self, name: str) -> str:
        """Empty when there is none."""
        row = self._db.execute(
            "SELECT body FROM notes WHERE name = ?", (name,)
        ).fetchone()
        return str(row[0]) if row else ""

    def set_note(self, name: str, body: str) -> None:
        """Write, or with an empty body delete."""
        with self._transaction():
            self._db.execute("DELETE FROM notes WHERE name = ?", (name,))
            if body:
                self._db.execute("INSERT INTO notes VALUES (?, ?)", (name, body))


def _values(row: Usage) -> tuple[object, ...]:
    return (
        row.endpoint_key,
        row.aor,
        row.first_at,
        row.last_at,
        row.count,
        row.failed,
        row.user_agent,
        row.epid,
        row.source,
    )
