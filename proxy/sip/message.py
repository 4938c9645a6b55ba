"""Messages as lines (decision 1 of ``docs/decisions.md``).

A message is its start line, its raw header lines in order (a folded line stays one
entry), a parallel list of canonical names, and the body.  Reading never changes a
byte; forwarding copies the list of lines and edits single entries.  What is not
edited leaves exactly as it came, because legacy clients sign it ([MS-SIPAE]).
"""

import re
from typing import Final

from proxy.sip.content_length import read_length, says_length
from proxy.sip.cutting import cut, name_lines
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import Via, caller_of, parse_cseq, parse_via, tag_of_line
from proxy.sip.grammar import (
    COMMA,
    CR,
    TOKEN,
    after_comma,
    logical_lines,
    split_values,
    unfold,
)
from proxy.sip.limits import DEFAULT_LIMITS, MessageLimits
from proxy.sip.names import COMMON_STARTS, METHODS, canonical_name, known_names
from proxy.sip.native import mypyc_attr

VERSION: Final = b"SIP/2.0"
_VERSION: Final = re.compile(rb"SIP/[0-9]+\.[0-9]+\Z", re.IGNORECASE)
_STATUS: Final = re.compile(rb"[1-6][0-9][0-9]\Z")

_SINGLE: Final = (
    "from to call-id cseq max-forwards content-length content-type expires".split()
)
_TOO_MANY: Final = "too many"  # the name that stands for all lines beyond the limit
_REQUIRED: Final = ("via", "from", "to", "call-id", "cseq")


@mypyc_attr(acyclic=True)
class Message:
    """What requests and responses share.

    ``lines[0]`` is the start line and ``names[0]`` is empty, so both lists have the
    same indices.  ``index`` maps a canonical name to its first position.
    """

    __slots__ = ("body", "index", "lines", "names")

    def __init__(
        self, lines: list[bytes], names: list[str], index: dict[str, int], body: bytes
    ) -> None:
        self.lines = lines
        self.names = names
        self.index = index
        self.body = body

    def value(self, name: str) -> bytes | None:
        """The first value of a header field, unfolded and trimmed."""
        position = self.index.get(name)
        if position is None:
            return None
        line = self.lines[position]
        value = line[line.find(b":") + 1 :].strip()
        return unfold(value) if CR in value else value

    def required(self, name: str) -> bytes:
        """Like ``value``; raises MalformedMessage when the field is missing."""
        value = self.value(name)
        if value is None:
            raise MalformedMessage(f"Missing {name} header field")
        return value

    def values(self, name: str) -> list[bytes]:
        """Every value of a header field, one entry per line."""
        if name not in self.index:
            return []
        return [
            unfold(self.lines[i].partition(b":")[2].strip())
            for i, n in enumerate(self.names)
            if n == name
        ]

    def count(self, name: str) -> int:
        """How many lines of this name there are."""
        if len(self.index) == len(self.names):  # no name stands twice, as usual
            return 1 if name in self.index else 0
        return self.names.count(name)

    def top_via(self) -> Via:
        """The first Via value; raises MalformedMessage."""
        line = self.lines[self.index["via"]]
        if line.startswith(b"Via: ") and COMMA not in line and CR not in line:
            return parse_via(line[5:])
        value = self.value("via") or b""
        if COMMA in value:
            value = split_values(value)[0]
        return parse_via(value)

    def cseq(self) -> tuple[int, bytes]:
        """CSeq number and method; raises MalformedMessage."""
        return parse_cseq(self.lines[self.index["cseq"]])

    def to_tag(self) -> bytes | None:
        """The To tag; None when there is none."""
        return tag_of_line(self.lines[self.index["to"]])

    def from_tag(self) -> bytes | None:
        """The From tag; None when there is none (RFC 2543 clients)."""
        return tag_of_line(self.lines[self.index["from"]])

    def serialise(self) -> bytes:
        """The message as it came, byte for byte."""
        return b"\r\n".join(self.lines) + b"\r\n\r\n" + self.body


@mypyc_attr(acyclic=True, free_list_len=1)
class Request(Message):
    """A request; ``method`` and ``uri`` are the bytes of the start line."""

    __slots__ = ("_cseq", "hops", "method", "size", "uri", "via")

    def __init__(
        self,
        lines: list[bytes],
        names: list[str],
        index: dict[str, int],
        body: bytes,
        method: bytes,
        uri: bytes,
    ) -> None:
        self.lines = lines
        self.names = names
        self.index = index
        self.body = body
        self.method = method
        self.uri = uri
        self.via: Via | None = None  # the top Via, once the transport has read it
        self.hops = 70  # Max-Forwards, once validation has read it
        self.size = 0  # bytes as received
        self._cseq: tuple[int, bytes] | None = None

    def cseq(self) -> tuple[int, bytes]:
        """CSeq number and method, remembered: every request is asked more than once."""
        if self._cseq is None:
            self._cseq = parse_cseq(self.lines[self.index["cseq"]])
        return self._cseq

    def from_aor(self) -> str:
        """``user@host`` of From in lower case, fit for a log or a screen; empty when it
        cannot be read."""
        return caller_of(self.lines[self.index["from"]])

    def __repr__(self) -> str:
        return f"<Request {self.method.decode('latin-1')} {self.uri!r}>"


class Response(Message):
    """A response; ``status`` is 100 to 699."""

    __slots__ = ("status",)

    def __init__(
        self,
        lines: list[bytes],
        names: list[str],
        index: dict[str, int],
        body: bytes,
        status: int,
    ) -> None:
        self.lines = lines
        self.names = names
        self.index = index
        self.body = body
        self.status = status

    def forwarded(self) -> bytes:
        """The response without its topmost Via value (section 16.7 item 3)."""
        lines = self.lines
        position = self.index["via"]
        line = lines[position]
        rest = lines[:position] + lines[position + 1 :]
        if COMMA in line:
            others = after_comma(line.partition(b":")[2])
            if others is not None:
                rest.insert(position, b"Via: " + others.lstrip())
        return b"\r\n".join(rest) + b"\r\n\r\n" + self.body


class UnreadableRequest(MalformedMessage):
    """A request too broken to route but good enough to answer: ``request`` carries
    the lines an answer needs (Via, From, To, Call-ID, CSeq)."""

    def __init__(self, request: Request, reason: str, status: int = 400) -> None:
        super().__init__(reason, status)
        self.request = request


def parse_message(
    data: bytes, limits: MessageLimits = DEFAULT_LIMITS, *, stream: bool = False
) -> Request | Response:
    """Read one message; on a stream ``data`` is exactly one framed message.

    Checks what the framing and the header table can tell: start line, header names,
    fields that must be there (section 8.1.1) or only once (section 7.3.1), sizes, and
    Content-Length.  Values are read when somebody asks for them.  Raises
    UnreadableRequest when an answer is possible, else MalformedMessage.

    This is the fast path, in one function because every message goes through it.  It
    returns only messages that are plainly in order, and leaves every doubt to
    ``_parse_carefully``.
    """
    pieces = cut(data, limits.header_lines)
    if pieces is None:
        return _parse_carefully(data, limits, stream)
    lines, body = pieces
    if len(data) - len(body) - 4 > limits.header_line:
        return _parse_carefully(data, limits, stream)
    named = name_lines(lines, COMMON_STARTS, known_names)
    if named is None:
        return _parse_carefully(data, limits, stream)
    names, index = named
    count = len(lines)
    if (
        "via" not in index
        or "from" not in index
        or "to" not in index
        or "call-id" not in index
        or "cseq" not in index
        or "content-length" not in index
        or not says_length(lines[index["content-length"]], len(body))
        or len(body) > limits.body
        or (
            len(index) != count
            and count - len(index) != names.count("via") - 1
            and _repeated_field(names) is not None
        )
    ):
        return _parse_carefully(data, limits, stream)
    start = lines[0]
    if start.startswith(b"SIP/2.0 "):
        status = start[8:11]
        if _STATUS.match(status) and start[11:12] in (b" ", b""):
            return Response(lines, names, index, body, int(status))
    else:
        parts = start.split(b" ")
        if len(parts) == 3 and parts[2] == VERSION:
            method = METHODS.get(parts[0], parts[0])
            if method.isalpha():
                return Request(lines, names, index, body, method, parts[1])
    return _parse_carefully(data, limits, stream)


def _repeated_field(names: list[str]) -> str | None:
    """The first field that must stand once (RFC 3261 section 7.3.1) and does not."""
    for name in _SINGLE:
        if names.count(name) > 1:
            return name
    return None


def _parse_carefully(
    data: bytes, limits: MessageLimits, stream: bool
) -> Request | Response:
    """``parse_message`` with every rule, tolerance and refusal."""
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")
    head, end, body = data.partition(b"\r\n\r\n")
    lines, names = _name_slowly(head, limits.header_lines)
    index = {names[i]: i for i in range(len(names) - 1, -1, -1)}
    if lines[0][:4].upper() == b"SIP/":
        response = Response(lines, names, index, body, _status_of(lines[0]))
        _check(response, head, end, limits, stream)
        return response
    request = _request_of(lines, names, index, body)
    try:
        _check(request, head, end, limits, stream)
    except MalformedMessage as error:
        raise UnreadableRequest(request, error.reason, error.status) from None
    return request


def _name_slowly(head: bytes, most: int) -> tuple[list[bytes], list[str]]:
    """The logical lines and their names, uncommon ones included.

    A name that is no token becomes "?".  ``_check`` refuses such a message, but its
    other lines still serve for the answer.  Lines beyond ``most``, perhaps thousands,
    are dropped unread.
    """
    start, found, rest = head.partition(b"\r\n")
    lines = logical_lines(rest, most) if found else []
    names = [""]
    for line in lines[:most]:
        raw, colon, _ = line.partition(b":")
        names.append((canonical_name(raw) if colon else None) or "?")
    if len(lines) > most:
        lines[most] = b""
        names.append(_TOO_MANY)
    return [start, *lines], names


def _status_of(start: bytes) -> int:
    version, _, rest = start.partition(b" ")
    status = rest.partition(b" ")[0]
    if version.upper() != VERSION or not _STATUS.match(status):
        raise MalformedMessage("Status line cannot be read")
    return int(status)


def _request_of(
    lines: list[bytes], names: list[str], index: dict[str, int], body: bytes
) -> Request:
    """A request with its start line read.

    A version that we do not know is answered 505 (section 21.5.6), even where the rest
    of the line would give 400.
    """
    parts = lines[0].split(b" ")
    if len(parts) == 3 and parts[2] == VERSION:
        method, uri, _ = parts
        if method.isalpha() or TOKEN.fullmatch(method):
            return Request(lines, names, index, body, method, uri)
        raise MalformedMessage("Request line without a method")
    last = lines[0].split()[-1] if lines[0].strip() else b""
    broken = Request(lines, names, index, body, parts[0], b"")
    if not TOKEN.fullmatch(parts[0]):
        raise MalformedMessage("Neither a request nor a response")
    if len(parts) == 3 and _VERSION.match(last):
        if last.upper() == VERSION:
            return Request(lines, names, index, body, parts[0], parts[1])
        raise UnreadableRequest(broken, "Version Not Supported", 505)
    if not _VERSION.match(last):
        raise MalformedMessage("Neither a request nor a response")
    raise UnreadableRequest(broken, "Bad Request Line")


def _check(
    message: Message, head: bytes, end: bytes, limits: MessageLimits, stream: bool
) -> None:
    lines = message.lines
    if not end:
        raise MalformedMessage("No empty line after the header fields")
    breaks = head.count(b"\n")
    quoted = head.count(b"\\\0")  # a NUL is legal only so (RFC 3261 section 25.1)
    nuls = head.count(b"\0")
    if not breaks == head.count(b"\r\n") == head.count(b"\r") or nuls != quoted:
        raise MalformedMessage("Control character in a header field")
    if _TOO_MANY in message.index:
        raise MalformedMessage("Too many header fields", 513)
    if max(map(len, lines)) > limits.header_line:
        raise MalformedMessage("Header field too large", 513)
    if "?" in message.index:
        raise MalformedMessage("Header field name cannot be read")
    for name in _REQUIRED:
        if name not in message.index:
            raise MalformedMessage(f"Missing {name} header field")
    for name in _SINGLE:
        if message.names.count(name) > 1 and not _says_the_same(message, name):
            raise MalformedMessage(f"More than one {name} header field")
    _check_length(message, limits, stream)


def _says_the_same(message: Message, name: str) -> bool:
    """Whether a repeated field is harmless: two equal Content-Lengths are.

    With two different ones, the next server may find another message in the body.
    """
    if name != "content-length":
        return False
    return len({read_length(value) for value in message.values(name)}) == 1


def _check_length(message: Message, limits: MessageLimits, stream: bool) -> None:
    """Compare Content-Length with the body (RFC 3261 section 18.3)."""
    value = message.value("content-length")
    size = len(message.body)
    # Section 18.3: over UDP it may be missing, for the body ends with the datagram.
    if value is None:
        if stream:
            raise MalformedMessage("Missing Content-Length")
        # Add it: the message may leave over a stream, which needs it (section 20.14).
        message.index["content-length"] = len(message.lines)
        message.names.append("content-length")
        message.lines.append(b"Content-Length: %d" % size)
    else:
        length = read_length(value)
        if length < 0:
            raise MalformedMessage("Bad Content-Length")
        if length > size:
            raise MalformedMessage("Body is shorter than Content-Length")
        # Section 18.3: bytes of a datagram behind its body are discarded.
        if length < size:
            message.body = message.body[:length]
            size = length
    if size > limits.body:
        raise MalformedMessage("Message Too Large", 513)
