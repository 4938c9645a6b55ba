"""Bindings, users and conflicts in the SQLite file.

The methods block, and run in the store's one thread, like those of ``file.py``.
``store.py`` turns the errors of SQLite into StoreError.
"""

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from proxy.location.binding import FIELDS, Binding, BindingChange
from proxy.store.actor import Actor
from proxy.store.registrar import MAX_CONFLICTS, Conflict, User
from proxy.store.sqlite.rows import write_rows

COLUMNS: Final = ", ".join(FIELDS)
_SAVE: Final = f"INSERT OR REPLACE INTO bindings ({COLUMNS})"
_REMOVE: Final = "DELETE FROM bindings WHERE aor = ? AND key = ?"
_TELL: Final = "INSERT INTO binding_changes (origin, aor, key)"
MAX_CHANGES: Final = 20_000

Transaction = Callable[[], AbstractContextManager[None]]


def write_audit(
    db: sqlite3.Connection, actor: Actor, verb: str, key: tuple[str, str], at: float
) -> None:
    """Write into the history that something other than a row of the table was changed;
    ``key`` is (kind, key)."""
    db.execute(
        "INSERT INTO audit (version, at, actor, origin, verb, kind, key)"
        " SELECT value, ?, ?, ?, ?, ?, ? FROM meta WHERE key = 'table_version'",
        (at, actor.name, actor.origin, verb, *key),
    )


class SqliteRegistrar:
    """The registrar's tables of an open file."""

    def __init__(self, db: sqlite3.Connection, transaction: Transaction) -> None:
        self._db = db
        self._transaction = transaction
        self._data_version = -1
        self._version = 0
        # Marks the bindings that we save, so that they do not come back as news.
        self.origin = secrets.token_hex(8)

    def save_bindings(self, changes: Sequence[BindingChange]) -> None:
        """One transaction for a whole group of REGISTERs."""
        saved = [c.after.row() for c in changes if c.after is not None]
        removed = [(c.aor, c.key) for c in changes if c.after is None]
        with self._transaction():
            if removed:
                self._db.executemany(_REMOVE, removed)
            write_rows(self._db, _SAVE, saved)
            self._tell(self.origin, [(c.aor, c.key) for c in changes])

    def _tell(self, origin: str, contacts: Sequence[tuple[str, bytes]]) -> None:
        write_rows(self._db, _TELL, [(origin, *each) for each in contacts])

    def bindings(self, aor: str | None, now: float) -> list[Binding]:
        """Live bindings by AOR."""
        where = "" if aor is None else " AND aor = ?"
        values = (now,) if aor is None else (now, aor)
        rows = self._db.execute(
            f"SELECT {COLUMNS} FROM bindings WHERE expires_at > ?{where}", values
        )
        return [Binding(*row) for row in rows]

    def remove_bindings(self, aor: str, actor: Actor, now: float) -> list[Binding]:
        """Take an AOR's bindings away and say so in the audit."""
        with self._transaction():
            gone = self.bindings(aor, now)
            self._db.execute("DELETE FROM bindings WHERE aor = ?", (aor,))
            if gone:
                self._tell("", [(each.aor, each.key) for each in gone])
                write_audit(self._db, actor, "binding.remove", ("binding", aor), now)
                self._move_version()
        return gone

    def forget_bindings(self, before: float) -> int:
        """Delete what expired before an instant, and the oldest changes."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM binding_changes WHERE number <="
                " (SELECT max(number) FROM binding_changes) - ?",
                (MAX_CHANGES,),
            )
            return self._db.execute(
                "DELETE FROM bindings WHERE expires_at < ?", (before,)
            ).rowcount

    def users(self) -> list[User]:
        """Every user with the HA1 of each algorithm."""
        found: dict[str, tuple[str, dict[str, str], float]] = {}
        for name, algorithm, realm, ha1, changed_at in self._db.execute(
            "SELECT name, algorithm, realm, ha1, changed_at FROM users ORDER BY name"
        ):
            found.setdefault(name, (realm, {}, changed_at))[1][algorithm] = ha1
        return [User(name, *rest) for name, rest in found.items()]

    def set_user(self, user: User, verb: str, actor: Actor) -> None:
        """Write a user whole."""
        rows = [
            (user.name, algorithm, user.realm, ha1, user.changed_at)
            for algorithm, ha1 in user.ha1.items()
        ]
        with self._transaction():
            self._db.execute("DELETE FROM users WHERE name = ?", (user.name,))
            self._db.executemany("INSERT INTO users VALUES (?, ?, ?, ?, ?)", rows)
            key = ("user", user.name)
            write_audit(self._db, actor, verb, key, user.changed_at)
            self._move_version()

    def remove_user(self, name: str, actor: Actor, now: float) -> bool:
        """Remove a user."""
        with self._transaction():
            gone = self._db.execute(
                "DELETE FROM users WHERE name = ?", (name,)
            ).rowcount
            if gone:
                write_audit(self._db, actor, "user.remove", ("user", name), now)
                self._move_version()
        return bool(gone)

    def registrar_version(self) -> int:
        """The version; read only when another process has written since last time."""
        data_version = self._db.execute("PRAGMA data_version").fetchone()[0]
        if data_version != self._data_version:
            self._data_version = data_version
            row = self._db.execute(
                "SELECT value FROM meta WHERE key = 'registrar_version'"
            ).fetchone()
            self._version = int(row[0])
        return self._version

    def note_conflict(self, conflict: Conflict) -> None:
        """Insert a conflict, or count it; when there are too many, the oldest go."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO conflicts VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET user_agent = excluded.user_agent,"
                " contact = excluded.contact, last_at = excluded.last_at,"
                " count = count + excluded.count",
                (
                    conflict.endpoint_key,
                    conflict.source,
                    conflict.user_agent,
                    conflict.contact,
                    conflict.first_at,
                    conflict.last_at,
                    conflict.count,
                ),
            )
            self._db.execute(
                "DELETE FROM conflicts WHERE last_at < (SELECT last_at FROM conflicts"
                " ORDER BY last_at DESC LIMIT 1 OFFSET ?)",
                (MAX_CONFLICTS - 1,),
            )

    def conflicts(self, endpoint_key: str | None) -> list[Conflict]:
        """The newest first."""
        where = "" if endpoint_key is None else "WHERE endpoint_key = ?"
        values = () if endpoint_key is None else (endpoint_key,)
        rows = self._db.execute(
            "SELECT endpoint_key, source, user_agent, contact, first_at, last_at,"
            f" count FROM conflicts {where} ORDER BY last_at DESC",
            values,
        )
        return [Conflict(*row) for row in rows]

    def _move_version(self) -> None:
        self._db.execute(
            "UPDATE meta SET value = value + 1 WHERE key = 'registrar_version'"
        )
        self._data_version = -1  # our own commit does not move it
