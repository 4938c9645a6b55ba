"""A closed piece of the tape, and how a message in it is told from the others.

Compiled together with the core.
"""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Final

from proxy.sip.flow import Ends
from proxy.sip.native import mypyc_attr

_CALL_ID: Final = re.compile(
    rb"\r\n(?:Call-ID|i)[ \t]*:[ \t\r\n]*([^ \t\r\n]+)", re.IGNORECASE
)
_CSEQ: Final = re.compile(
    rb"\r\nCSeq[ \t]*:[ \t]*\d+[ \t]+([^ \t\r\n]+)", re.IGNORECASE
)
_NUMBER: Final = re.compile(rb"(?:\A|\r\n)CSeq[ \t]*:[ \t]*(\d+)", re.IGNORECASE)
_PLAIN: Final = b"\r\nCall-ID: "
_TO: Final = re.compile(rb"\r\n(?:To|t)[ \t]*:[^\r]*;[ \t]*tag[ \t]*=", re.IGNORECASE)
_BLANK: Final = 0x20
_TAB: Final = 0x09


def call_id_of(data: bytes) -> bytes:
    """The Call-ID of a message as it was written; empty when there is none to read."""
    # To search for four bytes that end in a rare one takes a quarter of the time.
    at = data.find(b"-ID:")
    if at >= 6 and data[at - 6 : at + 5] == _PLAIN:
        found = data[at + 5 : data.find(b"\r", at)]
        if found and _BLANK not in found and _TAB not in found:
            return found
    match = _CALL_ID.search(data)
    return match[1] if match is not None else b""


def cseq_method_of(data: bytes) -> bytes:
    """The method that CSeq names; empty when it cannot be read."""
    match = _CSEQ.search(data)
    return match[1] if match is not None else b""


def answers(cseq: bytes, data: bytes) -> bool:
    """Whether an answer has the number of this CSeq line; not that of an empty one."""
    ours, theirs = _NUMBER.match(cseq), _NUMBER.search(data)
    if ours is None or theirs is None:
        return False
    return bool(ours[1].lstrip(b"0") == theirs[1].lstrip(b"0"))


@mypyc_attr(acyclic=True)
class Taped:
    """One message, as it was heard or sent; ``at`` is the loop's time."""

    __slots__ = ("at", "call_id", "data", "ends", "is_in")

    def __init__(
        self, at: float, is_in: bool, ends: Ends, data: bytes, call_id: bytes
    ) -> None:
        self.at = at
        self.is_in = is_in
        self.ends = ends
        self.data = data
        self.call_id = call_id

    @property
    def begins_dialog(self) -> bool:
        """Whether this is an INVITE, and of no dialog that there is already."""
        return self.data.startswith(b"INVITE ") and _TO.search(self.data) is None


class Segment:
    """A stretch of memory that is written from its beginning again and again.

    ``write`` puts bytes behind those that are there; ``users`` are the pieces in it.
    """

    __slots__ = ("_buffer", "users", "write")

    def __init__(self, size: int) -> None:
        buffer = BytesIO()
        # All of it at once: it is never made larger but for a message that does not
        # fit, and so large a block leaves no hole among the small ones.
        buffer.seek(size)
        buffer.write(b"\0")
        buffer.seek(0)
        self._buffer = buffer
        self.write: Callable[[bytes], object] = buffer.write
        self.users = 0

    def rewind(self, place: int) -> None:
        """Write on from there."""
        self._buffer.seek(place)

    def read(self, start: int, end: int) -> bytes:
        """What stands between two places."""
        # While a view is open, nothing can be written.
        with self._buffer.getbuffer() as view:
            return bytes(view[start:end])


@mypyc_attr(acyclic=True)
class Chunk:
    """A closed piece of the tape, the ``serial``-th of this process.

    ``began`` and ``ended`` are its first and last instant.  ``marks`` has the ends of
    each message, which say whether it came or went, and now and then the instant from
    which on they count.  ``sizes`` are the bytes of each message; they stand in the
    segment one after the other from ``start`` on.
    """

    __slots__ = (
        "began",
        "ended",
        "marks",
        "segment",
        "serial",
        "size",
        "sizes",
        "start",
    )

    def __init__(
        self,
        serial: int,
        began: float,
        ended: float,
        segment: Segment,
        start: int,
        marks: list[object],
        sizes: list[int],
        size: int,
    ) -> None:
        self.serial = serial
        self.began = began
        self.ended = ended
        self.segment = segment
        self.start = start
        self.marks = marks
        self.sizes = sizes
        self.size = size

    def find(self, wanted: set[bytes] | None, found: list[Taped]) -> None:
        """Add the messages of these calls, or all, to ``found``."""
        end = self.start + sum(self.sizes)
        data = self.segment.read(self.start, end)
        at, place, number = 0.0, 0, 0
        for mark in self.marks:
            if isinstance(mark, float):
                at = mark
                continue
            assert isinstance(mark, Ends)
            behind = place + self.sizes[number]
            each = data[place:behind]
            place, number = behind, number + 1
            call_id = call_id_of(each)
            if wanted is None or call_id in wanted:
                found.append(Taped(at, mark.is_in, mark, each, call_id))
