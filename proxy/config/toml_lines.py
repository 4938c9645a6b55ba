"""Where a key stands in a TOML file: the line numbers that ``tomllib`` keeps to itself.

Not a parser: the text has already been accepted by ``tomllib``; this only follows
table headers and ``key =`` at the beginning of a statement, skipping strings,
comments and everything inside brackets.
"""

import re
from collections.abc import Iterator
from typing import Final

KeyPath = tuple[str | int, ...]

_TOKEN: Final = re.compile(
    r"""
    (?P<skip>   \#[^\n]* | \"\"\"(?:\\.|[^\\])*?(?:\"\"\"+|\Z) | '''.*?(?:'''+|\Z) )
  | (?P<string> "(?:\\.|[^"\\\n])*+(?:"|(?=\n)|\\?\Z) | '[^'\n]*' )
  | (?P<newline>\n)
  | (?P<open>   [\[{])
  | (?P<close>  [\]}])
  | (?P<equals> =)
  | (?P<word>   [A-Za-z0-9_\-]+)
  | (?P<other>  .)
    """,
    re.VERBOSE | re.DOTALL,
)


def _statements(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line, kind, names): kind is ``key``, ``table`` or ``array``."""
    names: list[str] = []
    line, start, depth = 1, 1, 0
    opened, in_value = 0, False
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind == "newline":
            if depth == 0:
                if opened and names:
                    yield start, "array" if opened == 2 else "table", names
                names, opened, in_value = [], 0, False
        elif kind == "open":
            if not in_value and not names:
                opened += 1
                start = line
            else:
                depth += 1
        elif kind == "close":
            depth = max(0, depth - 1) if in_value else depth
        elif kind == "equals" and not in_value and not opened:
            yield start, "key", names
            in_value = True
        elif kind in ("word", "string") and not in_value:
            if not names:
                start = line
            names.append(token[1:-1] if kind == "string" else token)
        line += token.count("\n")


def locate_keys(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every key and table header.

    The nth ``[[listen]]`` is ``("listen", n)`` counted from 0, its keys
    ``("listen", n, "transport")``.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[tuple[str, ...], int] = {}
    prefix: KeyPath = ()
    for line, kind, names in _statements(text + "\n"):
        path = tuple(names)
        if kind == "array":
            number = counts.get(path, 0)
            counts[path] = number + 1
            prefix = (*path, number)
        elif kind == "table":
            prefix = path
        else:
            lines.setdefault((*prefix, *path), line)
            continue
        lines.setdefault(prefix, line)
        lines.setdefault(path, line)
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the nearest table above it that is in the file."""
    for length in range(len(path), 0, -1):
        line = lines.get(path[:length])
        if line is not None:
            return line
    return None
