"""Lays a list out on a screen of some width.  Pure: cells in, lines out.

No cell is ever broken, so that an address can be copied: the columns that fit stand
side by side, what is left of a row stands below it, each with its name.  Columns that
are empty in every row are left out.
"""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final
from unicodedata import combining, east_asian_width

GAP: Final = "  "
INDENT: Final = "    "
_EMPTY: Final = ("", "-")


def lay_out(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> list[str]:
    """The lines of a table with a head; cells are printable text."""
    used = [
        at
        for at in range(len(columns))
        if at == 0 or any(row[at] not in _EMPTY for row in rows)
    ]
    names = [columns[at] for at in used]
    cells = [[row[at] for at in used] for row in rows]
    widths = [max(map(cell_width, each)) for each in zip(names, *cells, strict=True)]
    beside = _how_many_fit(widths, width)
    widths = widths[:beside]
    lines = [_line(names, widths), _line(["-" * each for each in widths], widths)]
    for row in cells:
        lines.append(_line(row, widths))
        below = zip(names[beside:], row[beside:], strict=True)
        pairs = [f"{name}: {cell}" for name, cell in below if cell not in _EMPTY]
        lines += _flow(pairs, width)
    return lines


def _how_many_fit(widths: Sequence[int], width: int) -> int:
    """How many columns stand side by side; at least the first."""
    total = 0
    for at, each in enumerate(widths):
        total += each + (len(GAP) if at else 0)
        if at and total > width:
            return at
    return len(widths)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - cell_width(cell))
        for cell, width in zip(cells, widths, strict=False)
    )
    return GAP.join(padded).rstrip()


def _flow(pairs: Iterable[str], width: int) -> list[str]:
    """Pairs one after the other, as many on a line as fit."""
    lines: list[str] = []
    for pair in pairs:
        longer = f"{lines[-1]}{GAP}{pair}" if lines else ""
        if lines and cell_width(longer) <= width:
            lines[-1] = longer
        else:
            lines += wrapped(pair, INDENT, INDENT + GAP, width)
    return lines


def wrapped(text: str, first: str, others: str, width: int) -> list[str]:
    """A text in lines, broken at blanks only; ``first`` and ``others`` lead them."""
    return textwrap.wrap(
        text,
        max(width, len(others) + 20),
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def cell_width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1
        for each in text
    )
