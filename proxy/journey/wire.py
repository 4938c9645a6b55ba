"""SIP messages as the lab's peers see them: text in, text out.

A second, small and deliberately separate reading of RFC 3261 section 7, so that the
lab judges the proxy with other eyes than its own (`proxy/sip` is not used here).  It
has the limits of the legacy client: no compact header names, and a message with a
Content-Type but no Content-Length breaks a stream.
"""

import re
from dataclasses import dataclass, field

Header = tuple[str, str]

_URI = re.compile(r"<([^<>]*)>")
_TAG = re.compile(r";\s*tag=([^;\s]+)")


class WireError(Exception):
    """The peer sent something the legacy client would not understand."""


@dataclass(slots=True)
class Message:
    """One message: start line, header fields in their order, body."""

    start: str
    headers: list[Header] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_request(self) -> bool:
        """True for a request, False for a response."""
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        """The method: of the start line, or of CSeq for a response."""
        if self.is_request:
            return self.start.split(" ", 1)[0]
        return self.get("CSeq").split()[-1]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """The status code of a response."""
        return int(self.start.split(" ")[1])

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.get("Call-ID")

    def get(self, name: str, default: str = "") -> str:
        """The first value of a header field, or ``default``."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), default)

    def get_all(self, name: str) -> list[str]:
        """Every value of a header field, one per line, in their order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def encode(self) -> bytes:
        """The bytes of the message; Content-Length is written here."""
        lines = [self.start]
        lines += [f"{n}: {v}" for n, v in self.headers]
        lines.append(f"Content-Length: {len(self.body)}")
        text = "\r\n".join(lines) + "\r\n\r\n"
        return text.encode("utf-8", "surrogateescape") + self.body


def parse(head: bytes, body: bytes = b"") -> Message:
    """Read a header block (without its empty line); folding is understood."""
    text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape"))
    start, *lines = text.split("\r\n")
    headers: list[Header] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise WireError(f"not a header line: {line!r}")
        if len(name) == 1:
            raise WireError(f"compact header name: {line!r}")
        headers.append((name, value.strip()))
    return Message(start, headers, body)


class Framer:
    """Cut a byte stream into messages by Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[Message, bytes]]:
        """Add what was read; returns the whole messages with their raw bytes.

        Raises WireError where the legacy client would drop the connection.
        """
        self._buffer += data
        found: list[tuple[Message, bytes]] = []
        while True:
            # CRLF between messages is keep-alive (RFC 5626 section 3.5.1).
            self._buffer = self._buffer.lstrip(b"\r\n")
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return found
            message = parse(self._buffer[:end])
            length = message.get("Content-Length")
            if not length and message.get("Content-Type"):
                raise WireError("Content-Type without Content-Length on a stream")
            whole = end + 4 + int(length or 0)
            if len(self._buffer) < whole:
                return found
            message.body = self._buffer[end + 4 : whole]
            found.append((message, self._buffer[:whole]))
            self._buffer = self._buffer[whole:]


def parse_datagram(data: bytes) -> Message:
    """Read one datagram; raises WireError."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        raise WireError(f"no empty line in {data[:60]!r}")
    return parse(head, body)


def response(request: Message, status: int, reason: str, to_tag: str = "") -> Message:
    """Begin a response: what RFC 3261 section 8.2.6.2 copies from the request."""
    copied = ("via", "record-route", "from", "to", "call-id", "cseq")
    headers = [(n, v) for n, v in request.headers if n.lower() in copied]
    if to_tag and not tag_of(request.get("To")):
        headers = [
            (n, f"{v};tag={to_tag}" if n.lower() == "to" else v) for n, v in headers
        ]
    return Message(f"SIP/2.0 {status} {reason}", headers)


def uri_of(name_addr: str) -> str:
    """The URI inside a From, To, Contact, Route value."""
    match = _URI.search(name_addr)
    return match.group(1) if match else name_addr.split(";")[0].strip()


def tag_of(name_addr: str) -> str:
    """The tag parameter of a From or To value, or nothing."""
    match = _TAG.search(name_addr.rpartition(">")[2] or name_addr)
    return match.group(1) if match else ""


def address_of(uri: str) -> tuple[str, int]:
    """Host (or maddr) and port of a SIP URI (5060 when absent); no DNS."""
    maddr = re.search(r";maddr=([^;?]+)", uri)
    rest = uri.partition(":")[2].split(";")[0].split("?")[0].rpartition("@")[2]
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, "5060"
    return (maddr[1] if maddr else host).strip("[]"), int(port)


def route_set(message: Message) -> list[str]:
    """The Record-Route values, split at commas, in the order of the message."""
    return [
        value.strip()
        for line in message.get_all("Record-Route")
        for value in re.split(r",(?=\s*<)", line)
    ]


def xccos(inner: str, envelope: int = 1) -> bytes:
    """Wrap Group Chat XML ([MS-XCCOSIP]) in its envelope."""
    return (
        f'<xccos ver="1" envid="{envelope}" xmlns="urn:parlano:xml:ns:xccos">'
        f"{inner}</xccos>"
    ).encode()
