"""How values look: tables for people, JSON for scripts.

On a terminal, or with $COLUMNS, a table is as wide as that (``layout.py``); in a pipe
it has plain columns as wide as they must be.  Nothing is cut off, no address broken.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from proxy.admin.as_json import timed
from proxy.admin.counted import counted
from proxy.cli.screen.layout import cell_width, lay_out, wrapped
from proxy.cli.screen.output import is_unicode
from proxy.sip.display import visible

_WIDEST: Final = 200
_CONTROLS: Final = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Those that JSON leaves alone and a terminal does not: controls, and what turns the
direction of a line or hides in it."""
_OTHERS: Final = re.compile(r"[^\n -~]")


def print_json(value: Any) -> None:
    """One JSON document; instants in it are ISO 8601 with the zone.

    What the stream cannot show, and what could move a terminal's cursor, leaves as
    JSON's own escapes.
    """
    print(json_text(json.dumps(timed(value), indent=2, ensure_ascii=False)))


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


def fitted(text: str, lead: str = "", margin: int = 0) -> list[str]:
    """A text beside a margin: as wide as the screen, if there is one; what follows its
    first line stands below the text, not below the ``lead``."""
    if not has_width():
        return [lead + text]
    return wrapped(text, lead, " " * len(lead), screen_width() - margin)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """A list, one row after the other."""
    rows = [[visible(cell) for cell in row] for row in rows]
    if title:
        print(title)
    if has_width():
        print("\n".join(lay_out(columns, rows, screen_width())))
        return
    widths = [_width(column) for column in zip(columns, *rows, strict=True)]
    for row in (columns, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _width(column: Sequence[str]) -> int:
    """A column as wide as its cells; one long name does not pad every other line."""
    return max(
        len(cell) for cell in column if len(cell) <= _WIDEST or cell is column[0]
    )


def print_properties(properties: Iterable[tuple[str, str]]) -> None:
    """One thing, a line for each property; more where a terminal needs them."""
    pairs = list(properties)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        lead, text = f"{name.ljust(width)} : ", visible(value)
        if has_width() and len(lead) + cell_width(text) > screen_width():
            lines = wrapped(text, lead, " " * len(lead), screen_width())
            print("\n".join(lines))
        else:
            print((lead + text).rstrip())


def has_width() -> bool:
    """Whether there is a screen, or $COLUMNS says how wide one is."""
    return sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()


_COLOURS: Final = {"ok": 32, "warning": 33, "unknown": 36, "failed": 31}


def coloured(verdict: str, text: str) -> str:
    """A text in the colour of its verdict, where somebody sees colours."""
    code = _COLOURS.get(verdict)
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    if code is None or is_plain or not sys.stdout.isatty():
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def screen_width() -> int:
    """The columns of the terminal, 80 where it does not say."""
    columns: int | None = getattr(sys.stdout, "columns", None)
    return columns or shutil.get_terminal_size().columns


def instant(seconds: float) -> str:
    """An instant as local time, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def count(number: int, noun: str) -> str:
    """``1 endpoint``, ``2 endpoints``."""
    return counted(number, noun)


def duration(seconds: float) -> str:
    """A span in the unit that people would use."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
