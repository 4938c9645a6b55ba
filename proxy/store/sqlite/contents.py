"""What is in an SQLite file of ours: sums over its tables, and how far it has come.

It is read by statements that suit every version of the schema and change nothing.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

SEAL: Final = "backup"
"""The table that only a backup has; it describes the backup and not the store."""
RESTORE: Final = "store.restore"
"""The verb of a restore in the history; a restore does not count as a change."""
_AT_ONCE: Final = 2000
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def silent(what: str, done: int, whole: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class TableSum:
    """Rows of a table, and SHA-256 over them."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Contents:
    """How far a store has come.

    ``changes`` is the number of the newest change in the history, ``change`` its
    instant, author and verb; ``number`` counts restores as well.  Instants are seconds
    since the epoch, 0.0 for never.  ``pending_cutover`` is one that nobody has
    confirmed yet, and that is rolled back by itself.
    """

    schema: int
    secret: bytes = field(repr=False)
    table_version: int = 0
    number: int = 0
    changes: int = 0
    change: tuple[float, str, str] = (0.0, "", "")
    registered_at: float = 0.0
    used_at: float = 0.0
    pending_cutover: int | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """A store that nobody has used yet."""
        return not any(
            self.rows.get(each) for each in ("audit", "bindings", "usage", "endpoints")
        )


def tables_of(db: sqlite3.Connection) -> list[str]:
    """The store's own tables, by name."""
    rows = db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name != ? ORDER BY name",
        (SEAL,),
    )
    return [name for (name,) in rows]


def sums_of(
    db: sqlite3.Connection, what: str, progress: Progress = silent
) -> dict[str, TableSum]:
    """Every table with its rows, in the order in which the file has them."""
    found = {}
    names = tables_of(db)
    for at, name in enumerate(names):
        progress(what, at, len(names))
        digest, rows = sha256(), 0
        cursor = db.execute(f'SELECT * FROM "{name}"')
        while piece := cursor.fetchmany(_AT_ONCE):
            rows += len(piece)
            digest.update("\n".join(map(repr, piece)).encode())
            digest.update(b"\n")
        found[name] = TableSum(rows, digest.hexdigest())
    return found


def contents_of(db: sqlite3.Connection) -> Contents | None:
    """How far it has come; None when this is no store of ours."""
    names = set(tables_of(db))
    if not {"meta", "audit", "endpoints"} <= names:
        return None
    meta: dict[str, Any] = dict(db.execute("SELECT key, value FROM meta").fetchall())
    if not isinstance(meta.get("hmac_key"), bytes):
        return None
    newest = db.execute(
        "SELECT number, at, actor, verb FROM audit WHERE verb != ?"
        " ORDER BY number DESC LIMIT 1",
        (RESTORE,),
    ).fetchone()
    return Contents(
        schema=int(meta.get("schema", 0)),
        secret=meta["hmac_key"],
        table_version=int(meta.get("table_version", 0)),
        number=db.execute("SELECT coalesce(max(number), 0) FROM audit").fetchone()[0],
        changes=newest[0] if newest else 0,
        change=(newest[1], newest[2], newest[3]) if newest else (0.0, "", ""),
        registered_at=_newest(db, names, "bindings", "registered_at"),
        used_at=_newest(db, names, "usage", "last_at"),
        pending_cutover=_pending(db, names),
        rows={
            name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in sorted(names)
        },
    )


def _pending(db: sqlite3.Connection, names: set[str]) -> int | None:
    if "cutovers" not in names:
        return None
    row = db.execute(
        "SELECT number, body FROM cutovers ORDER BY number DESC LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    body = json.loads(row[1])
    is_pending = body["state"] == "applied" and body["confirm_by"] is not None
    return int(row[0]) if is_pending else None


def _newest(db: sqlite3.Connection, names: set[str], table: str, column: str) -> float:
    if table not in names:
        return 0.0
    return float(
        db.execute(f"SELECT coalesce(max({column}), 0.0) FROM {table}").fetchone()[0]
    )
