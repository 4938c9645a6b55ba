"""The history in the SQLite file, and the cutovers.

The methods block, and run in the store's one thread, like those of ``file.py``.
``store.py`` turns the errors of SQLite into StoreError.
"""

import json
import sqlite3
from typing import Final

from proxy.endpoints.changes import RowChange
from proxy.endpoints.codec import audit_json, cutover_from_json, row_from_json
from proxy.endpoints.model import Cutover
from proxy.store.actor import Actor
from proxy.store.audit_row import AuditRow

_ROWS: Final = (
    "SELECT number, version, at, actor, origin, verb, kind, key,"
    ' "before", "after" FROM audit'
)
_BATCH: Final = (
    f"{_ROWS} AS each WHERE EXISTS (SELECT 1 FROM audit AS one WHERE one.number = ?"
    " AND one.version = each.version AND one.at = each.at AND one.verb = each.verb)"
    " ORDER BY number"
)


class SqliteAudit:
    """The table of the history of an open file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def write(
        self, change: RowChange, actor: Actor, verb: str, version: int, now: float
    ) -> None:
        """Write one row change, inside the caller's transaction."""
        before, after = (
            None if row is None else json.dumps(audit_json(row))
            for row in (change.before, change.after)
        )
        who = actor.name, actor.origin
        self._db.execute(
            "INSERT INTO audit (version, at, actor, origin, verb, kind, key,"
            ' "before", "after") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
            (version, now, *who, verb, change.kind, change.key, before, after),
        )

    def history(self, key: str | None, limit: int) -> list[AuditRow]:
        """The newest rows first."""
        where, values = ("WHERE key = ?", (key,)) if key is not None else ("", ())
        rows = self._db.execute(
            f"{_ROWS} {where} ORDER BY number DESC LIMIT ?", (*values, limit)
        )
        return [_audit_row(*row) for row in rows]

    def row(self, number: int) -> AuditRow | None:
        """One row by its number."""
        row = self._db.execute(f"{_ROWS} WHERE number = ?", (number,)).fetchone()
        return None if row is None else _audit_row(*row)

    def batch(self, number: int) -> list[AuditRow]:
        """All rows of one change."""
        return [_audit_row(*row) for row in self._db.execute(_BATCH, (number,))]

    def cutovers(self) -> list[Cutover]:
        """The newest first."""
        rows = self._db.execute("SELECT body FROM cutovers ORDER BY number DESC")
        return [cutover_from_json(json.loads(body)) for (body,) in rows]


def _audit_row(
    number: int, version: int, at: float, name: str, origin: str, *rest: str
) -> AuditRow:
    verb, kind, key, before, after = rest
    return AuditRow(
        number,
        version,
        at,
        Actor(name, origin),
        verb,
        kind,  # type: ignore[arg-type]
        key,
        row_from_json(json.loads(before or "null")),
        row_from_json(json.loads(after or "null")),
    )
