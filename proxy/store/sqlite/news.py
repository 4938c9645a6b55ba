"""News and look-ups of the SQLite store, for several processes on one file.

The methods block, and run in the store's one thread, like those of ``file.py``.  A mark
is the versions of table and users, and the number of the last change of a binding.
"""

import sqlite3
from collections.abc import Sequence

from proxy.location.binding import Binding, BindingChange
from proxy.store.news import Known, News
from proxy.store.sqlite.registrar import COLUMNS, SqliteRegistrar

_MARK = (
    "SELECT (SELECT value FROM meta WHERE key = 'table_version'),"
    " (SELECT value FROM meta WHERE key = 'registrar_version'),"
    # The highest number ever given: the row of the newest change may be deleted.
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'binding_changes'), 0)"
)


class SqliteNews:
    """Reads what other processes have changed in an open file."""

    def __init__(self, db: sqlite3.Connection, registrar: SqliteRegistrar) -> None:
        self._db = db
        self._registrar = registrar
        # Opened in place of another file: marks from that one mean nothing here.
        self.is_new_file = False

    def news(self, mark: str) -> News:
        """See NewsStore."""
        table, users, newest = self._db.execute(_MARK).fetchone()
        now = f"{table} {users} {newest}"
        if now == mark and not self.is_new_file:
            return News(now, False, False, ())
        if not mark or self.is_new_file:
            self.is_new_file = False
            return News(now, True, True, None)
        old_table, old_users, known = map(int, mark.split())
        changes = self._bindings(known, newest)
        return News(now, table != old_table, users != old_users, changes)

    def _bindings(self, known: int, newest: int) -> list[BindingChange] | None:
        """The changes of others after ``known``; None when some are deleted already."""
        if known == newest:
            return []
        row = self._db.execute("SELECT min(number) FROM binding_changes").fetchone()
        if row[0] is None or row[0] > known + 1 or known > newest:
            return None
        wanted = ", ".join(f"b.{name}" for name in COLUMNS.split(", "))
        rows = self._db.execute(
            f"SELECT DISTINCT c.aor, c.key, {wanted} FROM binding_changes c"
            " LEFT JOIN bindings b ON b.aor = c.aor AND b.key = c.key"
            " WHERE c.number > ? AND c.number <= ? AND c.origin != ?",
            (known, newest, self._registrar.origin),
        )
        return [
            BindingChange(aor, key, None if rest[0] is None else Binding(*rest))
            for aor, key, *rest in rows
        ]

    def look_up(self, aors: Sequence[str], now: float) -> list[Known]:
        """See NewsStore."""
        return [
            Known(aor, self._registrar.bindings(aor, now), self._learned(aor))
            for aor in aors
        ]

    def _learned(self, aor: str) -> list[tuple[str, str, str]]:
        return self._db.execute(
            "SELECT uri, pool_fqdn, endpoint_key FROM learned_by_pool WHERE key = ?"
            " ORDER BY learned_at",
            (aor,),
        ).fetchall()
