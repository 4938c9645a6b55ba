"""Everything that a store knows, as plain rows, for a move from one store to another.

The rows are those of the SQLite tables: a tuple for each row, its key first.  Reading
and writing go around the store's rules (versions, history) on purpose, because a copy
must have the same history, the same versions and the same secret.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

Value = str | bytes | int | float | None
Values = tuple[Value, ...]
Rows = dict[Values, Values]

# Section → how many of the columns are the key.
SECTIONS: Final[Mapping[str, int]] = {
    "endpoints": 1,
    "pools": 1,
    "drains": 1,
    "cutovers": 1,
    "learned_by_pool": 2,
    "audit": 1,
    "bindings": 2,
    "users": 2,
    "conflicts": 2,
    "usage": 2,
    "usage_pools": 4,
    "usage_days": 3,
    "unknown": 2,
    "notes": 1,
    "access": 2,
    "access_used": 2,
    "meta": 1,
}
META: Final = ("hmac_key", "registrar_version", "table_version")


class StoreCopy(Protocol):
    """One end of a move; every method may raise StoreError."""

    async def freeze(self) -> None:
        """Let all later reads of sections that belong together show this moment."""

    async def read(self, section: str) -> Rows:
        """All rows of a section."""

    async def write(self, section: str, rows: Sequence[Values]) -> None:
        """Write rows, all or none; rows with the same key are replaced."""

    async def close(self) -> None:
        """Close this end."""


def keyed(section: str, rows: Sequence[Values]) -> Rows:
    """Rows by their keys."""
    size = SECTIONS[section]
    return {row[:size]: row[size:] for row in rows}
