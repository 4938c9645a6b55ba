"""The usage ledger and notes in the SQLite file.

The methods block, and run in the store's one thread, like those of ``file.py``.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from proxy.endpoints.pool_usage import DAY, PoolUsage, UserDays, added
from proxy.endpoints.usage import OTHERS, Usage, merged
from proxy.store.actor import Actor
from proxy.store.ledger import FORGOTTEN, MAX_USERS, rows_text
from proxy.store.sqlite.registrar import Transaction, write_audit
from proxy.store.sqlite.rows import known_keys, write_rows

_COLUMNS: Final = (
    "endpoint_key, aor, first_at, last_at, count, failed, user_agent, epid, source"
)
_ADD: Final = f"INSERT INTO usage ({_COLUMNS})"
_ADD_UP: Final = (
    "ON CONFLICT DO UPDATE SET first_at = min(first_at, excluded.first_at),"
    " last_at = max(last_at, excluded.last_at), count = count + excluded.count,"
    " failed = failed + excluded.failed, user_agent = excluded.user_agent,"
    " epid = excluded.epid, source = excluded.source"
)
# The days of a user are one text of numbers: " 20700 20701 ".
_ADD_DAY: Final = "INSERT INTO usage_days (endpoint_key, pool_fqdn, aor, days)"
_ONE_DAY_MORE: Final = (
    "ON CONFLICT DO UPDATE SET days = days || substr(excluded.days, 2)"
    " WHERE instr(days, excluded.days) = 0"
)
_POOL_COLUMNS: Final = (
    "endpoint_key, pool_fqdn, day, cutover, calls, failed, journeys, times"
)
_DAYS_AFTER: Final = (
    "SELECT * FROM usage_days WHERE (endpoint_key, pool_fqdn, aor) > (?, ?, ?)"
    " ORDER BY endpoint_key, pool_fqdn, aor LIMIT 500"
)
_KEY: Final = "endpoint_key", "aor"
_DAYS_KEY: Final = "endpoint_key", "pool_fqdn", "aor"
AGAIN: Final = 120
"""Saves after which a full table is counted again: a minute, for an operator may have
forgotten users meanwhile, in another process."""


class _Room:
    """How full a table is.  Counting walks the table, so it is done when a guess comes
    too high, and of a table that was full only now and then."""

    def __init__(self, db: sqlite3.Connection, table: str) -> None:
        self._db = db
        self._count = f"SELECT count(*) FROM {table}"
        self._guess: int | None = None
        self._skips = 0

    def left(self, rows: int, most: int) -> int:
        """For how many new rows there is room; asked before each save of ``rows``."""
        if self._guess is None or (self._guess + rows > most and not self._skips):
            self._guess = int(self._db.execute(self._count).fetchone()[0])
            self._skips = AGAIN if self._guess >= most else 0
        room = most - self._guess
        if room >= rows:
            self._guess += rows
        elif self._skips:
            self._skips -= 1
        else:
            self._guess = most
        return max(room, 0)

    def count_again(self) -> None:
        """Rows have gone."""
        self._guess = None
        self._skips = 0


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
        self._room = _Room(db, "usage")
        self._days_room = _Room(db, "usage_days")

    def add_usage(
        self,
        rows: Sequence[Usage],
        pools: Sequence[PoolUsage] = (),
        users: Sequence[UserDays] = (),
    ) -> None:
        """One transaction for a whole batch."""
        with self._transaction():
            fit = self._within_limit(rows)
            write_rows(self._db, _ADD, [_values(row) for row in fit], _ADD_UP)
            for row in added(pools).values():
                self._add_pool(row)
            days = [
                (user.endpoint_key, user.pool_fqdn, user.aor, _days_text((day,)))
                for user in self._users_within_limit(users)
                for day in sorted(user.days)
            ]
            write_rows(self._db, _ADD_DAY, days, _ONE_DAY_MORE)

    def _add_pool(self, row: PoolUsage) -> None:
        known = self._db.execute(
            f"SELECT {_POOL_COLUMNS} FROM usage_pools WHERE endpoint_key = ?"
            " AND pool_fqdn = ? AND day = ? AND cutover = ?",
            row.key,
        ).fetchone()
        row = row if known is None else row.plus(_pool_usage(known))
        times = json.dumps(row.times, separators=(",", ":"))
        values = *row.key, row.calls, row.failed, row.journeys, times
        self._db.execute(
            "INSERT OR REPLACE INTO usage_pools VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values
        )

    def _users_within_limit(self, users: Sequence[UserDays]) -> Sequence[UserDays]:
        """Leave out users who are new while the table is full."""
        room = self._days_room.left(len(users), self._max_users)
        if room >= len(users):
            return users
        keys = [(user.endpoint_key, user.pool_fqdn, user.aor) for user in users]
        known = known_keys(self._db, "usage_days", _DAYS_KEY, keys)
        fit = []
        for user, key in zip(users, keys, strict=True):
            if key not in known:
                room -= 1
                if room < 0:
                    continue
            fit.append(user)
        return fit

    def pool_usage(self, endpoint_key: str | None) -> list[PoolUsage]:
        """See LedgerStore."""
        where, values = _of(endpoint_key)
        rows = self._db.execute(
            f"SELECT {_POOL_COLUMNS} FROM usage_pools {where} ORDER BY 1, 2, 3, 4",
            values,
        )
        return [_pool_usage(row) for row in rows]

    def user_days(self, endpoint_key: str | None) -> list[UserDays]:
        """See LedgerStore."""
        where, values = _of(endpoint_key)
        rows = self._db.execute(
            "SELECT endpoint_key, pool_fqdn, aor, days FROM usage_days"
            f" {where} ORDER BY 1, 2, 3",
            values,
        )
        return [UserDays(key, pool, aor, _days(days)) for key, pool, aor, days in rows]

    def forget_days(self, before: int) -> int:
        """See LedgerStore."""
        with self._transaction():
            gone = self._db.execute(
                "DELETE FROM usage_pools WHERE day < ?", (before,)
            ).rowcount
            gone += self._db.execute(
                "DELETE FROM unknown WHERE last_at < ?", (before * DAY,)
            ).rowcount
            gone += self._forget_user_days(before)
        self._count_again()
        return gone

    def _forget_user_days(self, before: int) -> int:
        """A few rows at a time: the whole table is some 80 MB of Python's objects."""
        gone, last = 0, ("", "", "")
        while rows := self._db.execute(_DAYS_AFTER, last).fetchall():
            last = rows[-1][:3]
            for *who, text in rows:
                days = _days(text)
                left = {day for day in days if day >= before}
                if len(left) == len(days):
                    continue
                gone += 1
                self._db.execute(
                    "DELETE FROM usage_days WHERE endpoint_key = ? AND pool_fqdn = ?"
                    " AND aor = ?",
                    who,
                )
                if left:
                    self._db.execute(
                        "INSERT INTO usage_days VALUES (?, ?, ?, ?)",
                        (*who, _days_text(left)),
                    )
        return gone

    def _count_again(self) -> None:
        self._room.count_again()
        self._days_room.count_again()

    def forget_user(self, aor: str, actor: Actor, now: float) -> int:
        """See LedgerStore."""
        verb, kind = FORGOTTEN
        with self._transaction():
            gone = sum(
                self._db.execute(f"DELETE FROM {table} WHERE aor = ?", (aor,)).rowcount
                for table in ("usage", "usage_days", "unknown")
            )
            # Somebody who has left is dialled by others.
            gone += self._db.execute(
                "DELETE FROM unknown WHERE address = ?", (aor,)
            ).rowcount
            if gone:
                write_audit(self._db, actor, verb, (kind, rows_text(gone)), now)
        self._count_again()
        return gone

    def _within_limit(self, rows: Sequence[Usage]) -> Sequence[Usage]:
        """Count names that are new while the ledger is full under one name."""
        if self._room.left(len(rows), self._max_users) >= len(rows):
            return rows
        keys = [(row.endpoint_key, row.aor) for row in rows]
        known = known_keys(self._db, "usage", _KEY, keys)
        return merged(
            (),
            [
                row if key in known else replace(row, aor=OTHERS)
                for row, key in zip(rows, keys, strict=True)
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


def _of(endpoint_key: str | None) -> tuple[str, tuple[str, ...]]:
    return (
        ("", ())
        if endpoint_key is None
        else (
            "WHERE endpoint_key = ?",
            (endpoint_key,),
        )
    )


def _pool_usage(row: tuple[Any, ...]) -> PoolUsage:
    endpoint, pool, day, cutover, calls, failed, journeys, times = row
    return PoolUsage(
        *(endpoint, pool, day, cutover, calls, failed, journeys),
        tuple(json.loads(times)),
    )


def _days(text: str) -> tuple[int, ...]:
    return tuple(sorted(map(int, text.split())))


def _days_text(days: Iterable[int]) -> str:
    return f" {' '.join(map(str, sorted(days)))} "
