"""Scripted ends: a caller and front ends that say exactly what a flow tells them.

An end keeps everything it received, in order.  It has no transactions: what is sent
is sent once, and a repeated message is seen as what it is.
"""

import asyncio
import uuid

from proxy.journey.link import Address, DatagramSocket, Link, StreamLink
from proxy.journey.wire import Header, Message, response, route_set, tag_of, uri_of

PATIENCE = 10.0
FINAL = "a final response"


class FlowBroke(Exception):
    """A message that the flow needs did not come."""


class End:
    """One scripted end on UDP and, when it listens, on TCP too."""

    def __init__(self, name: str, host: str) -> None:
        self.name, self.host, self.port = name, host, 0
        self.received: list[Message] = []
        self.raw: list[bytes] = []
        self._taken: set[int] = set()
        self._arrived = asyncio.Event()
        self._from: dict[int, Link] = {}
        self._udp: DatagramSocket | None = None
        self._server: asyncio.Server | None = None
        self._links: list[Link] = []

    async def listen(self) -> None:
        """Be reachable on UDP and TCP at one port, the same one after a `close`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: StreamLink(self._take, self._links.append), self.host, self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        _, self._udp = await loop.create_datagram_endpoint(
            lambda: DatagramSocket(self._take), local_addr=(self.host, self.port)
        )

    async def dial(self, proxy: Address, transport: str) -> Link:
        """A link to the proxy, to send out-of-dialog requests on."""
        loop = asyncio.get_running_loop()
        if transport == "udp":
            if self._udp is None:
                _, self._udp = await loop.create_datagram_endpoint(
                    lambda: DatagramSocket(self._take), local_addr=(self.host, 0)
                )
                self.port = self._udp.local[1]
            return self._udp.link(proxy)
        _, link = await loop.create_connection(
            lambda: StreamLink(self._take), *proxy, local_addr=(self.host, 0)
        )
        self._links.append(link)
        return link

    async def close(self) -> None:
        """Listen no more and drop every connection."""
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.close()
        if self._udp is not None:
            self._udp.close()
        self._udp = self._server = None
        self._links = []
        await asyncio.sleep(0.02)

    def forget(self) -> None:
        """Begin a new flow."""
        self.received, self.raw = [], []
        self._taken, self._from = set(), {}

    def _take(self, link: Link, message: Message, raw: bytes) -> None:
        self._from[id(message)] = link
        self.received.append(message)
        self.raw.append(raw)
        self._arrived.set()

    def link_of(self, message: Message) -> Link:
        """The link on which a message came."""
        return self._from[id(message)]

    async def expect(self, what: str | int, patience: float = PATIENCE) -> Message:
        """The next request of a method, or response with a status, not taken yet.

        Raises FlowBroke with what came instead.
        """
        try:
            async with asyncio.timeout(patience):
                while True:
                    for number, message in enumerate(self.received):
                        if number not in self._taken and _is(message, what):
                            self._taken.add(number)
                            return message
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            got = [message.start for message in self.received]
            raise FlowBroke(f"{self.name} waited for {what}, got {got}") from None

    def count(self, what: str | int) -> int:
        """How often it came, repetitions included."""
        return sum(_is(message, what) for message in self.received)

    def reply(
        self,
        request: Message,
        status: int,
        *headers: Header,
        contact: bool = True,
        tag: str = "far",
    ) -> Message:
        """Answer a request on the link it came on; returns what was sent."""
        answer = response(request, status, "Reply", "" if status == 100 else tag)
        if contact:
            transport = self.link_of(request).transport
            uri = f"<sip:{self.name}@{self.host}:{self.port};transport={transport}>"
            answer.headers.append(("Contact", uri))
        answer.headers += headers
        self.link_of(request).send(answer.encode())
        return answer


def _is(message: Message, what: str | int) -> bool:
    if what == FINAL:
        return not message.is_request and message.status >= 200
    if isinstance(what, int):
        return not message.is_request and message.status == what
    return message.is_request and message.method == what


class Call:
    """One side of a dialog: enough state to write its requests."""

    def __init__(
        self, link: Link, local: str, remote: str, target: str, *, call_id: str = ""
    ) -> None:
        self.link = link
        self.local, self.remote, self.target = local, remote, target
        self.call_id = call_id or f"twin-{uuid.uuid4().hex[:12]}"
        self.routes: list[str] = []
        self.cseq = 0

    @classmethod
    def answered(cls, end: End, request: Message, answer: Message) -> "Call":
        """The far side of the dialog that ``answer`` makes."""
        call = cls(
            end.link_of(request),
            answer.get("To"),
            request.get("From"),
            uri_of(request.get("Contact")),
            call_id=request.call_id,
        )
        call.routes = route_set(request)
        return call

    def learn(self, answer: Message) -> None:
        """Take the remote tag, target and route set out of a 1xx or 2xx."""
        self.remote = answer.get("To")
        if answer.get("Contact"):
            self.target = uri_of(answer.get("Contact"))
        self.routes = list(reversed(route_set(answer)))

    def request(
        self,
        method: str,
        *headers: Header,
        body: bytes = b"",
        cseq: int = 0,
        branch: str = "",
        max_forwards: int = 70,
        uri: str = "",
        routes: list[str] | None = None,
    ) -> Message:
        """Write the next request; ``cseq`` and ``branch`` given for CANCEL and ACK."""
        if not cseq:
            self.cseq += 1
        host, port = self.link.local
        branch = branch or f"z9hG4bK{uuid.uuid4().hex[:12]}"
        transport = self.link.transport
        fields: list[Header] = [
            ("Via", f"SIP/2.0/{transport.upper()} {host}:{port};branch={branch}"),
            ("Max-Forwards", str(max_forwards)),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq or self.cseq} {method}"),
            ("Contact", f"<sip:end@{host}:{port};transport={transport}>"),
        ]
        chosen = self.routes if routes is None else routes
        fields += [("Route", value) for value in chosen]
        fields += headers
        return Message(f"{method} {uri or self.target} SIP/2.0", fields, body)

    def send(self, method: str, *headers: Header, **rest: object) -> Message:
        """Write and send; returns what was sent."""
        message = self.request(method, *headers, **rest)  # type: ignore[arg-type]
        self.link.send(message.encode())
        return message


def branch_of(message: Message) -> str:
    """The branch of the top Via."""
    return message.get("Via").partition("branch=")[2].split(";")[0]


def is_early(message: Message) -> bool:
    """True while the far side has no tag."""
    return not tag_of(message.get("To"))
