"""Callers that know both nodes, and a pool that answers: plain UDP, many at a time.

sipp has one remote address per process; a client of a cluster has two, and turns to the
other when the first does not answer.
"""

import asyncio
import re
import socket
import time
from dataclasses import dataclass, field

T1 = 0.5
GIVE_UP = 12.0
Address = tuple[str, int]
_COPIED = re.compile(rb"(?i)(via|from|call-id|cseq|record-route)[ \t]*:")


class Pool(asyncio.DatagramProtocol):
    """Answers 200 to everything but ACK; a repeated request gets the same answer."""

    def __init__(self) -> None:
        self.requests = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self, host: str) -> Address:
        """Listen; the address."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(host, 0)
        )
        enlarge(self._transport)
        self.address: Address = self._transport.get_extra_info("sockname")
        return self.address

    def datagram_received(self, data: bytes, source: Address) -> None:
        if data.startswith((b"ACK ", b"SIP/")):
            return
        self.requests += 1
        lines = data.split(b"\r\n")
        kept = [line for line in lines[1:] if _COPIED.match(line)]
        to = next(line for line in lines if line.startswith(b"To:"))
        to += b"" if b";tag=" in to else b";tag=pool"
        contact = b"Contact: <sip:pool@%b:%d>" % (
            self.address[0].encode(),
            self.address[1],
        )
        head = [b"SIP/2.0 200 OK", *kept, to, contact, b"Content-Length: 0", b"", b""]
        assert self._transport is not None
        self._transport.sendto(b"\r\n".join(head), source)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


@dataclass
class Call:
    """How one call went; ``failed`` names the request that had no good answer.

    ``answered_after`` are the seconds from INVITE to its final answer.
    """

    number: int
    node: Address
    answered_after: float = 0.0
    established_at: float = 0.0
    ended_at: float = 0.0
    failed: str = ""
    slowest: float = 0.0


@dataclass
class Caller(asyncio.DatagramProtocol):
    """One client socket; ``nodes`` are tried in order once the first is silent."""

    nodes: list[Address]
    host: str
    hold: float = 1.0
    uri: str = "sip:bob@contoso.test"
    inside: tuple[str, ...] = ("INFO", "BYE")
    calls: list[Call] = field(default_factory=list)
    is_first_dead: bool = False

    def __post_init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind a port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=(self.host, 0)
        )
        enlarge(self._transport)
        self.me = "{}:{}".format(*self._transport.get_extra_info("sockname"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, source: Address) -> None:
        if data.startswith(b"SIP/2.0 1"):
            return
        branch = re.search(rb"branch=(z9hG4bK[\w.-]+)", data)
        waiting = self._waiting.get(branch[1]) if branch else None
        if waiting is not None and not waiting.done():
            waiting.set_result(data)

    def message(self, method: str, uri: str, call: str, *lines: str) -> bytes:
        """A request of ours."""
        head = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.me};branch=z9hG4bK{call}{method}",
            "Max-Forwards: 70",
            f"From: <sip:alice@contoso.test>;tag={call}",
            f"Call-ID: {call}",
            *lines,
            "Content-Length: 0",
        ]
        return "\r\n".join([*head, "", ""]).encode()

    async def ask(self, request: bytes, node: Address) -> bytes:
        """The final answer; repeated as RFC 3261 says, at the other node when this one
        is known to be dead.  Empty when nobody answers."""
        found = re.search(rb"branch=(z9hG4bK[\w.-]+)", request)
        assert found and self._transport is not None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        self._waiting[found[1]] = future
        wait, end = T1, loop.time() + GIVE_UP
        try:
            while loop.time() < end:
                is_dead = self.is_first_dead and node == self.nodes[0]
                self._transport.sendto(request, self.nodes[1] if is_dead else node)
                try:
                    return await asyncio.wait_for(asyncio.shield(future), wait)
                except TimeoutError:
                    wait = min(2 * wait, 4.0)
            return b""
        finally:
            del self._waiting[found[1]]

    async def call(self, number: int, node: Address) -> None:
        """INVITE, ACK, a pause, and the requests ``inside`` the dialog."""
        call = Call(number, node)
        self.calls.append(call)
        name = f"c{number}-{self.me.rpartition(':')[2]}"
        to = f"To: <{self.uri}>"
        contact = f"Contact: <sip:alice@{self.me}>"
        invite = self.message("INVITE", self.uri, name, to, contact, "CSeq: 1 INVITE")
        started = time.monotonic()
        answer = await self._timed(call, invite)
        call.answered_after = time.monotonic() - started
        if not answer.startswith(b"SIP/2.0 200"):
            call.failed = "INVITE"
            return
        call.established_at = time.monotonic()
        route = re.findall(rb"Record-Route: ([^\r]+)", answer)
        target = re.search(rb"Contact: <([^>]+)>", answer)
        assert route and target and self._transport is not None
        uri = target[1].decode()
        inside = (
            f"Route: {b', '.join(reversed(route)).decode()}",
            f"{to};tag={_tag(answer)}",
            contact,
        )
        ack = self.message("ACK", uri, name, *inside, "CSeq: 1 ACK")
        self._transport.sendto(ack, node)
        await asyncio.sleep(self.hold)
        for cseq, method in enumerate(self.inside, 2):
            request = self.message(method, uri, name, *inside, f"CSeq: {cseq} {method}")
            answer = await self._timed(call, request)
            if not answer.startswith(b"SIP/2.0 200"):
                call.failed = call.failed or method
        call.ended_at = time.monotonic()

    async def _timed(self, call: Call, request: bytes) -> bytes:
        started = time.monotonic()
        answer = await self.ask(request, call.node)
        call.slowest = max(call.slowest, time.monotonic() - started)
        return answer

    async def register(self, user: str, node: Address) -> bool:
        """True when the binding was acknowledged."""
        register = self.message(
            *("REGISTER", "sip:contoso.test", user),
            *(f"To: <sip:{user}@contoso.test>", f"Contact: <sip:{user}@{self.me}>"),
            "CSeq: 1 REGISTER",
        )
        return (await self.ask(register, node)).startswith(b"SIP/2.0 200")


def _tag(answer: bytes) -> str:
    """The To tag of an answer."""
    found = re.search(rb"(?mi)^To:[^\r\n]*;tag=([^;\s]+)", answer)
    return found[1].decode() if found else ""


def enlarge(transport: asyncio.DatagramTransport) -> None:
    """Room for a burst while this process is busy elsewhere."""
    opened: socket.socket = transport.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
