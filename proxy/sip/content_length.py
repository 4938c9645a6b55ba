"""Content-Length in its plainest form (RFC 3261 section 20.14).

Nearly every message has it so.  Two servers that read different lengths see different
messages, and a sender could hide one in the body of another.  So every other form goes
to the careful parsers, or is refused.
"""

from typing import Final

NAME: Final = b"Content-Length:"
_DASH: Final = 0x2D
_DIGITS: Final = 12
"""A number of this many digits is too long to be a length."""
LENGTHS: Final = [b"Content-Length: %d" % n for n in range(2048)]
"""The plainest line for each length: a comparison is cheaper than reading a number."""


def length_of(line: bytes) -> int:
    """The number that a Content-Length line says; -1 when it says none.

    Only digits count: int() would also take "+7" and "1_0", which are no lengths.
    """
    text = line[line.find(b":") + 1 :].strip(b" \t")
    return int(text) if text.isdigit() and len(text) < _DIGITS else -1


def says_length(line: bytes, size: int) -> bool:
    """Whether a Content-Length line says ``size``, in digits alone."""
    if size < len(LENGTHS) and line == LENGTHS[size]:
        return True
    return length_of(line) == size


def is_disguised(line: bytes) -> bool:
    """Whether a line is a Content-Length in another spelling: with other capitals, or
    with white space before its colon."""
    return (
        len(line) > 14 and line[7] == _DASH and line[:14].lower() == b"content-length"
    )
