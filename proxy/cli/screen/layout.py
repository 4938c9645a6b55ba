"""Lays a list out on a screen of some width.  Pure: cells in, lines out.

Columns that are empty in every row are left out.  Where the rest is too wide, columns
of words wrap in themselves.  No word is ever broken, so that an address can be copied:
when that is not enough, the columns that fit stand side by side, and what is left of a
row stands below it, each with its name.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final
from unicodedata import combining, east_asian_width

GAP: Final = "  "
INDENT: Final = "    "
_EMPTY: Final = ("", "-")
_QUOTED: Final = re.compile('"[^"]*"')
_WORD: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}|\S+")
"""What is not broken: an instant, and whatever has no blank in it."""
_TOKEN: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}|\S+|\s+")
_LEAST: Final = 12
"""Columns of words are not made narrower than this."""


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
    narrow = _narrowed(names, cells, widths, width)
    if narrow is not None:
        return _wrapped_table(names, cells, narrow)
    beside = _how_many_fit(widths, width)
    widths = widths[:beside]
    ruled = [min(each, width) for each in widths]
    lines = [_line(names, widths), _line(["-" * each for each in ruled], ruled)]
    for row in cells:
        lines.append(_line(row, widths))
        below = zip(names[beside:], row[beside:], strict=True)
        pairs = [f"{name}: {cell}" for name, cell in below if cell not in _EMPTY]
        lines += _flow(pairs, width)
    return lines


def _narrowed(
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
    width: int,
) -> list[int] | None:
    """Widths that fit when words wrap; None when all fits as it is, or cannot."""
    room = width - len(GAP) * (len(names) - 1)
    if sum(widths) <= room:
        return None
    narrow = list(widths)
    least = [
        max(cell_width(name), *(_longest_word(row[at]) for row in cells), _LEAST)
        for at, name in enumerate(names)
    ]
    while sum(narrow) > room:
        # Equal lines read best, so the widest column gives way first.
        spare = [
            (size, at) for at, size in enumerate(narrow) if size > least[at] and at
        ]
        if not spare:
            return None
        narrow[max(spare)[1]] -= 1
    return narrow


def _longest_word(text: str) -> int:
    return max(map(cell_width, _WORD.findall(text)), default=0)


def _wrapped_table(
    names: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]
) -> list[str]:
    lines = [_line(names, widths), _line(["-" * each for each in widths], widths)]
    for row in cells:
        parts = [_words(cell, size) for cell, size in zip(row, widths, strict=True)]
        for number in range(max(map(len, parts))):
            lines.append(
                _line([x[number] if number < len(x) else "" for x in parts], widths)
            )
    return lines


def _words(text: str, width: int) -> list[str]:
    """A cell in lines, broken at blanks only; as wide as a terminal shows it."""
    if cell_width(text) <= width:
        return [text]
    lines = [""]
    for word in _WORD.findall(text):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_width(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
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
    """A text in lines, broken at blanks only; ``first`` and ``others`` lead them.

    ``others`` are blanks.  A word that has no room beside them stands further left,
    where it has some there.
    """
    room = max(width, len(others) + 20)
    sizes = map(cell_width, _WORD.findall(text))
    longest = max((x for x in sizes if len(INDENT) + x <= room), default=0)
    others = others[: room - longest]
    lines, line, gap, is_empty = [], first, "", True
    for token in _TOKEN.findall(text):
        if token.isspace():
            gap = "" if is_empty else " " * len(token)
            continue
        longer = line + gap + token
        if cell_width(longer) <= room or (is_empty and len(line) <= len(others)):
            line = longer
        else:
            lines.append(line.rstrip())
            line = others + token
        gap, is_empty = "", False
    return [*lines, line.rstrip()]


def folded(text: str, width: int) -> list[str]:
    """A sentence in lines; a command in double quotes stays whole, to be copied.

    ``text`` is printable.
    """
    if cell_width(text) <= width:
        return [text]
    whole = _QUOTED.sub(lambda found: found[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in wrapped(whole, "", "", width)]


def cell_width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1
        for each in text
    )
