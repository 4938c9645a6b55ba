"""The lexical floor: tokens, white space and folds, lists, parameters.

Each expression stands for a rule of RFC 3261 section 25.1.  Quantifiers are possessive
wherever two of them could match the same bytes: otherwise a stranger could write a
header field that takes far more time than its length.
"""

import re
from typing import Final

TOKEN: Final = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+")
"""``token``; the names of methods, header fields and parameters."""

_LINE_END: Final = re.compile(rb"\r\n(?![ \t])")
LWS_FOLD: Final = re.compile(rb"(?<![ \t])[ \t]*+\r\n[ \t]++")

# For two bytes values CPython tries "x in y" with an integer first, and raises and
# swallows a TypeError, which costs more than the search.  So the message path looks for
# single characters as integers, and for longer texts with find().
NUL: Final = 0x00
TAB: Final = 0x09
LF: Final = 0x0A
CR: Final = 0x0D
SPACE: Final = 0x20
QUOTE: Final = 0x22
PERCENT: Final = 0x25
COMMA: Final = 0x2C
COLON: Final = 0x3A
SEMICOLON: Final = 0x3B
LESS_THAN: Final = 0x3C
GREATER_THAN: Final = 0x3E
AT: Final = 0x40
BACKSLASH: Final = 0x5C

_VISIBLE: Final = bytes(
    n if n == TAB or 32 <= n < 127 or n >= 128 else 0x3F for n in range(256)
)


def is_visible(lines: list[bytes]) -> bool:
    """Whether there is no control character in any of these lines."""
    text = b"".join(lines)
    return text.translate(_VISIBLE) == text


def unfold(value: bytes) -> bytes:
    """A folded value on one line (RFC 3261 section 7.3.1)."""
    return LWS_FOLD.sub(b" ", value) if CR in value else value


def logical_lines(head: bytes, most: int = 0) -> list[bytes]:
    """The lines of a header block, each with its folds (RFC 3261 section 7.3.1).

    Whoever removes lines must take these: the rest of a line that was removed by half
    would become part of the line above it (decision 82).  With ``most`` the rest of the
    block stands in one piece behind that many lines.
    """
    return _LINE_END.split(head, most)


# A quote or a bracket without its end runs to the end of the value.
_SPLIT: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|<[^>]*+(?:>|\Z)|[^",<]++|,', re.DOTALL
)


def after_comma(value: bytes) -> bytes | None:
    """What follows the first value, as written; None when there is only one."""
    for match in _SPLIT.finditer(value):
        if match[0] == b",":
            return value[match.end() :]
    return None


def split_values(value: bytes) -> list[bytes]:
    """Split a header value at the commas outside quotes and angle brackets."""
    if COMMA not in value:
        return [value.strip()]
    if QUOTE not in value and LESS_THAN not in value:
        return [part.strip() for part in value.split(b",")]
    parts: list[bytes] = []
    start = 0
    for match in _SPLIT.finditer(value):
        if match[0] == b",":
            parts.append(value[start : match.start()].strip())
            start = match.end()
    parts.append(value[start:].strip())
    return parts


PARAMETER: Final = re.compile(
    rb'[ \t]*+;[ \t]*+([^;=\s"]++)'
    rb'(?:[ \t]*+=[ \t]*+("(?:[^"\\]++|\\.)*+"|[^;"]*+))?+[ \t]*+(?=;|\Z)'
)


def parse_parameters(text: bytes) -> dict[str, bytes | None] | None:
    """``;name=value;flag`` as a dictionary with lower-case names.

    A flag maps to ``None``; quoted values keep their quotes; the first of two equal
    names wins.  Returns ``None`` when ``text`` is no parameter list.
    """
    parameters: dict[str, bytes | None] = {}
    if QUOTE not in text and SPACE not in text and TAB not in text:
        if not text:
            return parameters
        if text[0] != SEMICOLON:
            return None
        for part in text[1:].split(b";"):
            name, equals, value = part.partition(b"=")
            if not name:
                return None
            parameters.setdefault(
                name.decode("latin-1").lower(), value if equals else None
            )
        return parameters
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = PARAMETER.match(stripped, position)
        if match is None:
            return None
        value = (match[2] or b"").rstrip()
        has_value = match.start(2) >= 0
        parameters.setdefault(
            match[1].decode("latin-1").lower(), value if has_value else None
        )
        position = match.end()
    return parameters
