"""A closed piece of the tape, and how a message in it is told from the others.

Compiled together with the core.
"""

import re
from array import array
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


@mypyc_attr(acyclic=True)
class Chunk:
    """A closed piece of the tape.

    ``marks`` is flat: an instant and the ends of what was heard then (None for a
    timer), and after that the ends of all that was sent.  The bytes stand in ``block``
    one after the other, in the ``sizes`` given.  ``answered`` are the calls whose
    INVITE is known to have its final answer since; ``asked`` those whose INVITE is in
    here without one, and whether that was inside a dialog.
    """

    __slots__ = ("answered", "asked", "began", "block", "marks", "size", "sizes")

    def __init__(
        self, items: list[object], size: int, began: float, answered: set[bytes]
    ) -> None:
        self.size = size
        self.began = began
        self.answered = answered
        self.asked: dict[bytes, bool] = {}
        marks: list[object] = []
        parts: list[bytes] = []
        place, count = 0, len(items)
        while place < count:
            mark = items[place]
            marks.append(mark)
            is_in = isinstance(mark, float)
            if is_in:
                place += 1
                marks.append(items[place])
            data = items[place + 1]
            place += 2
            assert isinstance(data, bytes)
            parts.append(data)
            if is_in and data.startswith(b"INVITE "):
                call_id = call_id_of(data)
                if call_id not in answered:
                    self.asked[call_id] = _TO.search(data) is not None
        self.marks = marks
        self.block = b"".join(parts)
        self.sizes = array("I", [len(part) for part in parts])

    def items(self) -> list[object]:
        """What it was made of, the bytes beside their ends again."""
        found: list[object] = []
        at = number = 0
        for mark in self.marks:
            found.append(mark)
            if isinstance(mark, float):
                continue
            end = at + self.sizes[number]
            found.append(self.block[at:end])
            at = end
            number += 1
        return found


def find_in(items: list[object], wanted: set[bytes] | None, found: list[Taped]) -> None:
    """Add the messages of these calls, or all, to ``found``."""
    at, place, count = 0.0, 0, len(items)
    while place < count:
        item = items[place]
        if isinstance(item, float):
            at = item
            ends, data = items[place + 1], items[place + 2]
            is_in = True
            place += 3
        else:
            ends, data = item, items[place + 1]
            is_in = False
            place += 2
        if ends is None:
            continue
        assert isinstance(ends, Ends) and isinstance(data, bytes)
        call_id = call_id_of(data)
        if wanted is None or call_id in wanted:
            found.append(Taped(at, is_in, ends, data, call_id))
