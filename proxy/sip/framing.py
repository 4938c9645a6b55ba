"""Stream framing: bytes of a connection in, whole messages out (RFC 3261 section 18.3).

A message on a stream is its header block up to the first empty line and as many bytes
of body as Content-Length says.  This module finds that boundary and nothing else: it
does not parse the message, and it never guesses.  Once the boundary is in doubt the
connection cannot be used any more, because what follows could be a message that
somebody hid in the body of another one.

The work is proportional to the bytes fed, however they are cut into pieces.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.sip.content_length import NAME, is_disguised, length_of, read_length
from proxy.sip.grammar import CR, LF, SPACE, TAB
from proxy.sip.limits import DEFAULT_LIMITS, MessageLimits, head_of_answers

End = Callable[[bytes | bytearray, int, int, int], int]

_NEWLINES: Final = re.compile(rb"[\r\n]*")
# A method or "SIP" and the character that must follow, or the end of what has arrived.
# HEP, TLS and HTTP/2 fail here within their first bytes.
_START: Final = re.compile(rb"[A-Za-z0-9.!%*_+`'~-]{1,64}(?:[ /]|\Z)")
_END_OF_HEADERS: Final = b"\r\n\r\n"

_BIG_C: Final = 0x43
_SMALL_C: Final = 0x63
_BIG_L: Final = 0x4C
_SMALL_L: Final = 0x6C


def end_plainly(source: bytes | bytearray, start: int, head: int, body: int) -> int:
    """Where the message that begins at ``start`` ends, be it there as a whole or not.

    ``end`` of ``scanner.c`` does the same (decision 146) and serves where it was
    compiled; this is its definition, and what it leaves in doubt is for the framer.
    -1 when its head is not there as a whole, is longer than ``head`` bytes or begins
    like no SIP, when it does not name a length of ``body`` bytes at most once and in
    its plainest form, and when a bare line feed might hide another one.
    """
    if _START.match(source, start) is None:
        return -1
    found = source.find(_END_OF_HEADERS, start)
    end = found + len(_END_OF_HEADERS)
    if found < 0 or end - start > head:
        return -1
    length = _plain_length(bytes(source[start:end]))
    return end + length if 0 <= length <= body else -1


def _plain_length(block: bytes) -> int:
    """The value of the only Content-Length, in its plainest form; -1 for any other."""
    lines = block.split(b"\r\n")
    length = -1
    for line in lines:
        if not line:
            break  # the empty line at the end
        first = line[0]
        if first in (_BIG_C, _SMALL_C):
            if line.startswith(NAME):
                if length >= 0:
                    return -1
                length = length_of(line)
                if length < 0:
                    return -1
            elif is_disguised(line):
                return -1
        elif first in (_BIG_L, _SMALL_L, SPACE, TAB):
            return -1  # a compact name, or a folded line
    # A bare line feed may hide a second length: some peers take it for a line end.
    return -1 if LF in b"".join(lines) else length


def _scanner() -> End:
    try:
        from proxy.sip import scanner
    except ImportError:
        return end_plainly
    return scanner.end


plain_end: Final[End] = _scanner()


class FramingError(NamedTuple):
    """Why a stream cannot be read any further: a SIP status and a reason phrase.

    ``data`` is the header block as far as it has come.  It is empty when the bytes were
    no SIP at all, so that nothing can be answered.
    """

    status: int
    reason: str
    data: bytes


_NO_BODY: Final = b"Content-Length: 0\r\n\r\n"


class StreamFramer:
    """Cuts one connection's bytes into messages.

    ``error`` is set when the stream broke the rules; the messages that were complete
    before it are still returned, and everything fed after it is ignored.
    ``keepalives`` counts double CRLFs between messages (RFC 5626 section 3.5.1).
    """

    __slots__ = (
        "_buffer",
        "_is_bare",
        "_limits",
        "_needed",
        "_newlines",
        "_searched",
        "error",
        "forgives",
        "keepalives",
    )

    def __init__(self, limits: MessageLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0  # no end of headers begins before this offset
        self._needed = 0  # size of the message in the buffer, 0 while unknown
        self._newlines = 0  # line feeds since the last message
        self.error: FramingError | None = None
        self.keepalives = 0
        # Take a response without Content-Length and Content-Type for one without a
        # body.  Section 18.3 has it refused, but that would end every other transaction
        # on this connection for one slip of the peer.
        self.forgives = False
        self._is_bare = False

    @property
    def is_broken(self) -> bool:
        """Whether an error has ended this stream."""
        return self.error is not None

    @property
    def is_partial(self) -> bool:
        """Whether the beginning of a message is waiting for the rest of it."""
        return bool(self._buffer)

    @property
    def held(self) -> int:
        """Bytes of an incomplete message that are kept."""
        return len(self._buffer)

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """Take what was read; return the messages that are complete now, in order.

        Never raises for what a peer sent: see ``error``.
        """
        if self.is_broken:
            return []
        messages: list[bytes] = []
        if self._buffer:
            self._buffer += data
            if len(self._buffer) >= self._needed:
                used = self._frame(self._buffer, messages)
                del self._buffer[:used]
        else:
            # The usual case: whole messages in one read, copied once by the slice.
            source = bytes(data)
            used = self._frame(source, messages)
            if used < len(source):
                self._buffer += source[used:] if used else source
        self._drop_if_broken()
        return messages

    def _drop_if_broken(self) -> None:
        # A method of its own: in ``feed`` mypy would take the first ``is_broken`` for
        # final, and mypyc would compile this second question away.
        if self.is_broken:
            self._buffer.clear()

    def _frame(self, source: bytes | bytearray, messages: list[bytes]) -> int:
        """Append every complete message of ``source``; return how much is used up."""
        start, size = 0, len(source)
        while start < size:
            if not self._needed:
                # Section 7.5: empty lines before a start line are ignored; they are
                # keep-alives, too (RFC 5626 section 4.4.1).
                if source[start] in (CR, LF):
                    start = self._skip_newlines(source, start)
                    continue
                self._needed = self._size(source, start)
                if not self._needed:
                    break
            if size - start < self._needed:
                break
            end = start + self._needed
            if self._is_bare:
                self._is_bare = False
                messages.append(bytes(source[start : end - 2]) + _NO_BODY)
            else:
                messages.append(bytes(source[start:end]))
            start = end
            self._needed = self._searched = self._newlines = 0
        return start

    def _skip_newlines(self, source: bytes | bytearray, start: int) -> int:
        match = _NEWLINES.match(source, start)
        end = match.end() if match else start
        before = self._newlines
        self._newlines += source.count(b"\n", start, end)
        self.keepalives += self._newlines // 2 - before // 2
        return end

    def _size(self, source: bytes | bytearray, start: int) -> int:
        """The size of the message at ``start``; 0 when unknown yet or on an error."""
        # Nearly every message says plainly where it ends.  Once is enough: a message
        # that comes in pieces is not read from its beginning for each of them.
        if not self._searched:
            limits = self._limits
            end = plain_end(source, start, limits.header_block, limits.body)
            if end >= 0:
                return end - start
        return self._measure(source, start)

    def _measure(self, source: bytes | bytearray, start: int) -> int:
        """The size of the message at ``start``; 0 when unknown yet or on an error."""
        if self._searched <= 64 and _START.match(source, start) is None:
            self.error = FramingError(400, "Not a SIP Message", b"")
            return 0
        limit = self._limits.header_block
        if self.forgives or source[start : start + 4] == b"SIP/":
            # A response repeats its request (``limits.for_answers``), and a proxy has
            # added its lines: to end the connection would end all calls on it.
            limit = head_of_answers(self._limits)
        found = source.find(_END_OF_HEADERS, start + self._searched)
        end = found + 4 if found >= 0 else len(source)
        if end - start > limit:
            block = bytes(source[start : start + limit])
            self.error = FramingError(513, "Header Block Too Large", block)
            return 0
        if found < 0:
            self._searched = max(0, end - start - 3)
            return 0
        block = bytes(source[start:end])
        length = self._content_length(block)
        return 0 if length < 0 else len(block) + length

    def _content_length(self, block: bytes) -> int:
        """The body's size as the header block tells; -1 after setting ``error``."""
        lower = block.lower()
        length = -1
        for name in (b"\ncontent-length", b"\nl"):
            at = lower.find(name)
            while at >= 0:
                value = _value(lower, at + len(name))
                if value is not None:
                    found = read_length(value)
                    problem = _problem(found, lower[at - 1], length)
                    if problem:
                        self.error = FramingError(400, problem, block)
                        return -1
                    if found > self._limits.body:
                        self.error = FramingError(513, "Body Too Large", block)
                        return -1
                    length = found
                at = lower.find(name, at + 1)
        if length < 0 and self.forgives and _has_no_body(lower):
            self._is_bare = True
            return 0
        if length < 0:
            self.error = FramingError(400, "Missing Content-Length", block)
        return length


def _has_no_body(block: bytes) -> bool:
    """Whether a header block, in lower case, is a response without a word of a body."""
    words = (b"\ncontent-type", b"\nc:", b"\nc ", b"\nc\t", b"\ncontent-encoding")
    return block.startswith(b"sip/2.0 ") and not any(word in block for word in words)


def _value(block: bytes, after_name: int) -> bytes | None:
    """The unfolded field value; None when another name only begins like ours."""
    colon = after_name
    while block[colon] in b" \t":
        colon += 1
    if block[colon : colon + 1] != b":":
        return None
    end = block.find(b"\r\n", colon)
    while block[end + 2 : end + 3] in (b" ", b"\t"):
        end = block.find(b"\r\n", end + 2)
    return block[colon + 1 : end].strip(b" \t\r\n")


def _problem(length: int, before: int, known: int) -> str:
    """What makes a Content-Length unusable, as a reason phrase; empty if nothing."""
    if before != CR:
        return "Bare Line Feed in Header"  # some peers take it for a line end
    if length < 0:
        return "Invalid Content-Length"
    if known >= 0 and length != known:
        return "Conflicting Content-Length"
    return ""
