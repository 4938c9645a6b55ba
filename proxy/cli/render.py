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

from proxy.cli.output import is_unicode
from proxy.sip.grammar import visible

_WIDEST: Final = 200
_CONTROLS: Final = re.compile(r"[\x7f-\x9f]")
"""Those that JSON leaves alone and a terminal does not."""
_INSTANTS: Final = ("at", "confirm_by")
_OTHERS: Final = re.compile(r"[^\n -~]")


def print_json(value: Any) -> None:
    """One JSON document; instants in it are ISO 8601 with the zone.

    What the stream cannot show, and what could move a terminal's cursor, leaves as
    JSON's own escapes.
    """
    print(json_text(json.dumps(_timed(value), indent=2, ensure_ascii=False)))


def _timed(value: Any, name: str = "") -> Any:
    """A value whose instants, known by their names, are texts; null for never."""
    if isinstance(value, dict):
        return {key: _timed(each, str(key)) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_timed(each) for each in value]
    if isinstance(value, float) and (name in _INSTANTS or name.endswith("_at")):
        return iso(value) if value else None
    return value


def json_text(text: str) -> str:
    """A JSON document as standard output can show it."""
    if is_unicode():
        return _CONTROLS.sub(_escape, text)
    return _OTHERS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs)


def print_lines(lines: Iterable[str]) -> None:
    """Text as it is, but for what could move a terminal's cursor."""
    for line in lines:
        print(visible(line))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """A list.  Cells fold on a terminal and stay whole in a pipe."""
    rows = [[visible(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, rows, title)
        return
    if title:
        print(title)
    widths = [_width(column) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _width(column: Sequence[str]) -> int:
    """A column as wide as its cells; one long name does not pad every other line."""
    return max(
        len(cell) for cell in column if len(cell) <= _WIDEST or cell is column[0]
    )


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
        print(f"{name.ljust(width)} : {visible(value)}".rstrip())


def instant(seconds: float) -> str:
    """An instant as local time, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def iso(seconds: float) -> str:
    """An instant for programs: local time with its zone, to the millisecond."""
    then = datetime.fromtimestamp(seconds).astimezone()
    return then.isoformat("T", "milliseconds")


def count(number: int, noun: str) -> str:
    """``1 endpoint``, ``2 endpoints``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """A span in the unit that people would use."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
