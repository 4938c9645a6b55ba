"""How values look: tables for people, JSON for scripts.

On a terminal tables are Rich's; in a pipe they are plain columns, with no colour, no
frame, and nothing cut off.  Rich is only imported for a terminal.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final


def print_json(value: Any) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_lines(lines: Iterable[str]) -> None:
    """Text, a line each."""
    for line in lines:
        print(harmless(line))


# C0 and C1 controls, line separators, and what turns the writing direction around.
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def harmless(text: str) -> str:
    """Without what a terminal obeys: a User-Agent is whatever a stranger wrote."""
    return _CONTROL.sub("\ufffd", text)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """A list.  Cells fold on a terminal and stay whole in a pipe."""
    rows = [[harmless(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, rows, title)
        return
    if title:
        print(title)
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _print_rich(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # Text, not markup: "[" is an ordinary letter in what people write.
        table.add_row(*map(Text, row))
    Console().print(table)


def print_properties(properties: Iterable[tuple[str, str]]) -> None:
    """One thing, a line for each property."""
    pairs = list(properties)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"{name.ljust(width)} : {harmless(value)}".rstrip())


def instant(seconds: float) -> str:
    """An instant as local time, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def count(number: int, noun: str) -> str:
    """``1 endpoint``, ``2 endpoints``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """A span in the unit that people would use."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
