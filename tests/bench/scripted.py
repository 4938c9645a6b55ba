"""Calls one after the other, every message on its own: the same load each time.

sipp keeps a rate; this keeps an order.  What a proxy does for such a call hardly
depends on how busy the machine is, so it can be counted (``counted.py``).
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.world import CALLER, FRONT_ENDS, PROXY

PATIENCE = 60.0  # seconds: a proxy under callgrind is fifty times slower
BODY = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.13\r\ns=session\r\nc=IN IP4 127.0.0.13\r\nt=0 0\r\n"
    b"m=message 5060 sip null\r\na=accept-types:text/plain multipart/alternative\r\n"
)
CHAT = (
    b"<xccos ver='1'><chat>A line of chat as long as people write.</chat></xccos>\r\n"
)
AGENT = b"User-Agent: UCCAPI/3.5.6907.0 OC/3.5.6907.0\r\n"


class Datagrams:
    """One end that speaks to the proxy over UDP."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        """One message."""
        self._socket.sendto(data, PROXY)

    def receive(self) -> bytes:
        """The next message."""
        return self._socket.recv(65_535)

    def close(self) -> None:
        """Give the address back."""
        self._socket.close()


class Stream:
    """One end that has a TCP connection with the proxy: its own, or one it accepts."""

    def __init__(self, address: tuple[str, int], *, calls: bool) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE)
        self._link: socket.socket | None = None
        self._held = b""
        if calls:
            self._socket.connect(PROXY)
            self._link = self._socket
        else:
            self._socket.listen()

    @property
    def _open(self) -> socket.socket:
        if self._link is None:
            self._link, _ = self._socket.accept()
            self._link.settimeout(PATIENCE)
        return self._link

    def send(self, data: bytes) -> None:
        """One message."""
        self._open.sendall(data)

    def receive(self) -> bytes:
        """The next message."""
        while True:
            head, blank, rest = self._held.partition(b"\r\n\r\n")
            if blank and len(rest) >= (size := int(field(head, b"Content-Length"))):
                self._held = rest[size:]
                return head + blank + rest[:size]
            self._held += self._open.recv(65_535)

    def close(self) -> None:
        """Give the address back."""
        for each in (self._link, self._socket):
            if each is not None:
                each.close()


class Script:
    """A caller and the front end behind the proxy, on sockets of their own."""

    def __init__(self, transport: str = "udp") -> None:
        self._transport = transport.upper().encode()
        caller = (CALLER, 5070)
        self._caller: Datagrams | Stream
        self._front_end: Datagrams | Stream
        if transport == "udp":
            self._caller, self._front_end = Datagrams(caller), Datagrams(FRONT_ENDS[0])
        else:
            self._front_end = Stream(FRONT_ENDS[0], calls=False)
            self._caller = Stream(caller, calls=True)
        self._number = 0
        self.repeated = 0
        """Messages that came when others were due: such a count is worth nothing."""

    def close(self) -> None:
        """Give the addresses back."""
        self._caller.close()
        self._front_end.close()

    def calls(self, count: int) -> None:
        """So many calls; raises when a message does not come."""
        for _ in range(count):
            self._number += 1
            self._call(self._number)

    def _call(self, number: int) -> None:
        to = b"<sip:ocschat@contoso.test>"
        first = self._request(
            b"INVITE", b"sip:ocschat@contoso.test", number, 1, to, b"", BODY
        )
        self._caller.send(first)
        heard = self._forwarded(b"INVITE")
        self._answer(heard, b"180 Ringing", number)
        self._answer(heard, b"200 OK", number, BODY)
        for status in (b"100", b"180", b"200"):
            answer = self._answered(status)
        to = field(answer, b"To")
        where = field(answer, b"Contact").strip(b"<>")
        routes = b"".join(
            b"Route: %b\r\n" % line
            for line in reversed(fields(answer, b"Record-Route"))
        )
        self._caller.send(self._request(b"ACK", where, number, 1, to, routes))
        self._forwarded(b"ACK")
        for cseq, method, body in ((2, b"INFO", CHAT), (3, b"BYE", b"")):
            later = self._request(method, where, number, cseq, to, routes, body)
            self._caller.send(later)
            self._answer(self._forwarded(method), b"200 OK", number)
            self._answered(b"200")

    @property
    def _parameter(self) -> bytes:
        return b"" if self._transport == b"UDP" else b";transport=tcp"

    def _request(self, *of: Any) -> bytes:
        data = request(*of)
        if self._transport == b"UDP":
            return data
        return data.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP", 1).replace(
            b":5070>\r\n", b":5070;transport=tcp>\r\n", 1
        )

    def _forwarded(self, method: bytes) -> bytes:
        return self._heard(self._front_end, method + b" ")

    def _answered(self, status: bytes) -> bytes:
        return self._heard(self._caller, b"SIP/2.0 " + status)

    def _heard(self, where: Datagrams | Stream, wanted: bytes) -> bytes:
        while True:
            data = where.receive()
            if data.startswith(wanted):
                return data
            self.repeated += 1  # the proxy took longer than T1

    def _answer(
        self, heard: bytes, status: bytes, number: int, body: bytes = b""
    ) -> None:
        host, port = FRONT_ENDS[0]
        to = field(heard, b"To")
        to += b"" if b";tag=" in to else b";tag=fe%d" % number
        lines = [b"SIP/2.0 " + status]
        lines += [b"Via: " + x for x in fields(heard, b"Via")]
        if heard.startswith(b"INVITE"):
            lines += [b"Record-Route: " + x for x in fields(heard, b"Record-Route")]
            end = self._parameter
            lines.append(b"Contact: <sip:pool@%b:%d%b>" % (host.encode(), port, end))
        lines += [
            *(b"From: " + field(heard, b"From"), b"To: " + to),
            *(
                b"Call-ID: " + field(heard, b"Call-ID"),
                b"CSeq: " + field(heard, b"CSeq"),
            ),
            *(b"Server: RTC/5.0", b"Content-Length: %d" % len(body), b"", body),
        ]
        self._front_end.send(b"\r\n".join(lines))


@contextmanager
def script(transport: str = "udp") -> Iterator[Script]:
    """A script whose sockets are closed in the end."""
    found = Script(transport)
    try:
        yield found
    finally:
        found.close()


def request(
    method: bytes,
    uri: bytes,
    number: int,
    cseq: int,
    to: bytes,
    routes: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """A request of the caller's, as Office Communicator writes it."""
    mine = CALLER.encode()
    kind = b"Content-Type: application/sdp\r\n" if body else b""
    return (
        b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP %b:5070;branch=z9hG4bK-%d-%d-%b\r\n%b"
        b"Max-Forwards: 70\r\n"
        b"From: <sip:alice%d@contoso.test>;tag=c%d;epid=01ab23cd45\r\nTo: %b\r\n"
        b"Call-ID: %d-77@%b\r\nCSeq: %d %b\r\nContact: <sip:alice%d@%b:5070>\r\n%b%b"
        b"Content-Length: %d\r\n\r\n%b"
    ) % (
        *(method, uri, mine, number, cseq, method, routes, number, number, to),
        *(number, mine, cseq, method, number, mine, AGENT, kind, len(body), body),
    )


def fields(data: bytes, name: bytes) -> list[bytes]:
    """All values of a header field, in order."""
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return [x[len(name) + 2 :] for x in lines if x.startswith(name + b": ")]


def field(data: bytes, name: bytes) -> bytes:
    """The one value of a header field."""
    return fields(data, name)[0]
