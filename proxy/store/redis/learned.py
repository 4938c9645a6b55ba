"""A learned service URI in Redis: four lines for each pool, the newest first."""

from typing import Final

Row = tuple[str, str, float, str]
LINES: Final = 4


def rows_of(value: bytes) -> list[Row]:
    """Pool, endpoint, instant and URI of each row, the newest first."""
    lines = value.decode().split("\n")
    columns = (lines[at::LINES] for at in range(LINES))
    rows = zip(*columns, strict=False)  # an older version wrote nothing but these
    return [(pool, endpoint, float(at), uri) for pool, endpoint, at, uri in rows]


def value_of(rows: list[Row]) -> str:
    """The reverse."""
    lines = [[pool, endpoint, repr(at), uri] for pool, endpoint, at, uri in rows]
    return "\n".join(line for each in lines for line in each)
