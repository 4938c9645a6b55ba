"""Content-Length (RFC 3261 section 20.14): what its value and its line say.

Two servers that read different lengths see different messages, and a sender could hide
one in the body of another.  So the framing of streams and the parser read it by the
rule here.  Nearly every message has the plainest form of the line; every other one goes
to the careful parsers, or is refused.
"""

from typing import Final

NAME: Final = b"Content-Length:"
_DASH: Final = 0x2D
_DIGITS: Final = 12
"""A number of this many digits is too long to be a length."""
LENGTHS: Final = [b"Content-Length: %d" % n for n in range(2048)]
"""The plainest line for each length: a comparison is cheaper than reading a number."""


TOO_LONG: Final = 1 << 40
"""The length that a number of too many digits stands for: more than any limit."""


def read_length(value: bytes) -> int:
    """The number that a trimmed value says; -1 when it says none.

    Only digits count: int() would also take "+7" and "1_0", which are no lengths.
    Zeros in front do not count.  A number of far too many digits is ``TOO_LONG``,
    because int() takes time with the square of the digits.
    """
    if not value.isdigit():
        return -1
    digits = value.lstrip(b"0")
    if len(digits) >= _DIGITS:
        return TOO_LONG
    return int(digits) if digits else 0


def length_of(line: bytes) -> int:
    """The number that a Content-Length line says plainly; -1 for any other."""
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
