"""Addresses that nobody serves, in the SQLite file.

The methods block, and run in the store's one thread, like those of ``file.py``.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from proxy.endpoints.unknown import (
    MAX_UNKNOWN,
    MOST_WORTH,
    NOBODY,
    WORTH,
    bounded_unknown,
)
from proxy.endpoints.usage import Usage
from proxy.store.sqlite.registrar import Transaction

_COLUMNS: Final = "address, aor, first_at, last_at, count, user_agent, epid, source"
_ADD: Final = (
    f"INSERT INTO unknown ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at),"
    " last_at = max(last_at, excluded.last_at), count = count + excluded.count,"
    " user_agent = excluded.user_agent, epid = excluded.epid, source = excluded.source"
)
_NAMED: Final = "SELECT count(*) FROM unknown WHERE (address, aor) != (?, ?)"
_NAMELESS: Final = "SELECT count FROM unknown WHERE (address, aor) = (?, ?)"
_LEAST: Final = (
    f"SELECT {_COLUMNS} FROM unknown WHERE (address, aor) != (?, ?)"
    " ORDER BY last_at + ? * min(count, ?) LIMIT ?"
)


class SqliteUnknown:
    """The table of an open file."""

    def __init__(
        self, db: sqlite3.Connection, transaction: Transaction, most: int = MAX_UNKNOWN
    ) -> None:
        self._db = db
        self._transaction = transaction
        self._most = most

    def add_unknown(self, rows: Sequence[Usage]) -> None:
        """Add a batch in one transaction, which keeps the number of rows limited."""
        with self._transaction():
            self._db.executemany(_ADD, map(_values, rows))
            named = self._db.execute(_NAMED, NOBODY).fetchone()[0]
            over = named - self._most
            if over > 0:
                self._drop(over)

    def _drop(self, over: int) -> None:
        """Count the rows that are worth least together, without a name."""
        values = *NOBODY, WORTH, MOST_WORTH, over
        gone = [_usage(row) for row in self._db.execute(_LEAST, values).fetchall()]
        self._db.executemany(
            "DELETE FROM unknown WHERE address = ? AND aor = ?",
            [(row.endpoint_key, row.aor) for row in gone],
        )
        self._db.executemany(_ADD, map(_values, bounded_unknown(gone, 0)))

    def unknown(self) -> list[Usage]:
        """See LedgerStore."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM unknown ORDER BY last_at DESC, address, aor"
        )
        return [_usage(row) for row in rows]

    def held(self) -> tuple[int, int]:
        """See LedgerStore."""
        named: int = self._db.execute(_NAMED, NOBODY).fetchone()[0]
        nameless = self._db.execute(_NAMELESS, NOBODY).fetchone()
        return named, nameless[0] if nameless else 0


def _values(row: Usage) -> tuple[object, ...]:
    return (
        *(row.endpoint_key, row.aor, row.first_at, row.last_at, row.count),
        *(row.user_agent, row.epid, row.source),
    )


def _usage(row: tuple[Any, ...]) -> Usage:
    address, aor, first, last, count, *rest = row
    return Usage(address, aor, first, last, count, count, *rest)
