"""Cuts a message that is plainly in order into lines and body, and names the lines.

Every message passes here, so ``scanner.c`` does the same in C with one look at each
byte (decision 146).  ``cut_plainly`` and ``name_plainly`` are the definition: they
serve where nothing was compiled, and tests hold the two equal.
"""

from collections.abc import Callable
from typing import Final

from proxy.sip.grammar import is_visible

Cut = Callable[[bytes, int], tuple[list[bytes], bytes] | None]
Named = tuple[list[str], dict[str, int]]
Name = Callable[
    [list[bytes], list[list[tuple[bytes, str]]], dict[bytes, str]], Named | None
]

MOST: Final = 512
"""Lines that a plain head may have, whatever the limits say: ``scanner.c`` has room for
so many."""


def cut_plainly(data: bytes, most: int) -> tuple[list[bytes], bytes] | None:
    """The lines of the head, and the body.

    None when there is no empty line, when there are more than ``most`` lines, or when a
    line has a control character: a server that ends lines there (a bare CR or LF, say)
    would read another message than we do.
    """
    most = min(most, MOST)
    head, end, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n", most)
    if not end or len(lines) > most or not is_visible(lines):
        return None
    return lines, body


def name_plainly(
    lines: list[bytes],
    starts: list[list[tuple[bytes, str]]],
    known: dict[bytes, str],
) -> Named | None:
    """The canonical name of each line, and where each name stands first; the start line
    has the empty one.

    ``starts`` has the usual names by the first byte of a line, up to their colon, and
    ``known`` others (``names.py``).  None when a line has no name, or one that is in
    neither.
    """
    names = [""] * len(lines)
    index = {"": 0} if lines else {}
    for place in range(len(lines) - 1, 0, -1):
        name = _name_of(lines[place], starts, known)
        if name is None:
            return None
        names[place] = name
        index[name] = place
    return names, index


def _name_of(
    line: bytes, starts: list[list[tuple[bytes, str]]], known: dict[bytes, str]
) -> str | None:
    if line:
        for start, name in starts[line[0]]:
            if line.startswith(start):
                return name
    raw, colon, _ = line.partition(b":")
    return known.get(raw) if colon else None


def _scanner() -> tuple[Cut, Name]:
    try:
        from proxy.sip import scanner
    except ImportError:
        return cut_plainly, name_plainly
    return scanner.cut, scanner.name


_in_use = _scanner()
cut: Final[Cut] = _in_use[0]
name_lines: Final[Name] = _in_use[1]
