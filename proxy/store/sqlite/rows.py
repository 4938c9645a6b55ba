"""Many rows in few statements.

Python's threads share one lock, and every statement of SQLite gives it away and wants
it back.  While the thread that carries messages is busy, each row in a statement of its
own would wait up to half a millisecond for that lock, and hold up a message as long.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

SIZES: Final = (32, 16, 8, 4, 2, 1)
"""Rows of one statement.  Few sizes, because SQLite compiles a text that it has not
seen, and that costs more than the rows."""


def write_rows(
    db: sqlite3.Connection,
    insert: str,
    rows: Sequence[Sequence[object]],
    conflict: str = "",
) -> None:
    """Insert rows of one width: ``insert``, their VALUES, ``conflict``."""
    start, left = 0, len(rows)
    for size in SIZES:
        while left >= size:
            some = rows[start : start + size]
            statement = _statement(insert, conflict, len(some[0]), size)
            db.execute(statement, [*chain.from_iterable(some)])
            start += size
            left -= size


@lru_cache(maxsize=64)
def _statement(insert: str, conflict: str, width: int, count: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{insert} VALUES {', '.join([row] * count)} {conflict}"


def known_keys(
    db: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    keys: Sequence[tuple[str, ...]],
) -> set[tuple[str, ...]]:
    """Those of ``keys`` that ``table`` has, by ``columns``, the first of its index."""
    # A join, because for ``IN (VALUES ...)`` SQLite would walk the whole table.
    same = [f"{each} = column{n}" for n, each in enumerate(columns, 1)]
    select = f"SELECT {', '.join(columns)} FROM ("
    join = f") CROSS JOIN {table} ON {' AND '.join(same)}"
    found: set[tuple[str, ...]] = set()
    start, left = 0, len(keys)
    for size in SIZES:
        while left >= size:
            some = keys[start : start + size]
            statement = _statement(select, join, len(columns), size)
            found.update(db.execute(statement, [*chain.from_iterable(some)]))
            start += size
            left -= size
    return found
