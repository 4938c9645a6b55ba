"""Content-Length in its plainest form (RFC 3261 section 20.14), as nearly all have it.

Whoever counts a length otherwise than the next server does can be made to see a message
where there is none: so whatever is not plain is read by the careful parsers or refused.
"""

from typing import Final

NAME: Final = b"Content-Length:"
_DASH: Final = 0x2D
_DIGITS: Final = 12
"""A number with so many is no length of ours to hold."""
LENGTHS: Final = [b"Content-Length: %d" % n for n in range(2048)]
"""The plainest way to say each length, so that it can be compared and not read."""


def length_of(line: bytes) -> int:
    """The number that a Content-Length line says; -1 when it says none.

    "+7" and "1_0" are numbers to int() alone.
    """
    text = line[line.find(b":") + 1 :].strip(b" \t")
    return int(text) if text.isdigit() and len(text) < _DIGITS else -1


def says_length(line: bytes, size: int) -> bool:
    """Whether a Content-Length line says ``size``, in digits alone."""
    if size < len(LENGTHS) and line == LENGTHS[size]:
        return True
    return length_of(line) == size


def is_disguised(line: bytes) -> bool:
    """Whether it is a Content-Length in another spelling: in other letters, or with a
    blank before its colon."""
    return (
        len(line) > 14 and line[7] == _DASH and line[:14].lower() == b"content-length"
    )
