"""The real proxy in this process, on loopback sockets, with a tiny UAS behind it.

`running_proxy` starts the runtime with a UDP and a TCP listener.  Its default route
leads to a `NextHop`, which keeps every message it gets as bytes and answers 200.  A
`Client` sends bytes that nobody has touched and keeps what comes back.

Addresses are derived from the process id, so that two test runs on one machine do not
meet.
"""

import asyncio
import contextlib
import io
import os
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from proxy.core.settings import CoreSettings
from proxy.endpoints.table import EndpointTable
from proxy.net.settings import StreamSettings
from proxy.pools.resolver import Resolver
from proxy.server.runtime import Runtime
from proxy.sip.flow import FlowTable, Listener
from proxy.sip.framing import StreamFramer
from proxy.telemetry.access import AccessLog
from tests.support.ports import free_port

Address = tuple[str, int]
ANSWER_IN = 20.0  # seconds; only a failing test waits that long


def loopback(number: int) -> str:
    """An address of this process's own in 127.0.0.0/8."""
    pid = os.getpid()
    return f"127.{64 + number}.{pid >> 8 & 255}.{pid & 255 or 1}"


def status_of(data: bytes) -> int:
    """The status of a response, 0 for a request."""
    match = re.match(rb"SIP/2\.0 (\d{3})", data)
    return int(match[1]) if match else 0


class NextHop:
    """A UAS: keeps what it gets, answers 200 to all but ACK and BENOTIFY."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.received: list[bytes] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self.port = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on UDP and TCP, the same port."""
        asyncio.get_running_loop().add_reader(self._socket, self._datagram)
        self._server = await asyncio.start_server(self._stream, self.host, self.port)

    async def stop(self) -> None:
        """Stop listening."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self._server is not None:
            self._server.close()

    def _datagram(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, source = self._socket.recvfrom(65_535)
                self.received.append(data)
                if answer := self._answer(data):
                    self._socket.sendto(answer, source)

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        framer = StreamFramer()
        while chunk := await reader.read(65_535):
            for data in framer.feed(chunk):
                self.received.append(data)
                if answer := self._answer(data):
                    writer.write(answer)
            if framer.error is not None:
                self.received.append(b"UNREADABLE " + chunk)
        writer.close()

    @staticmethod
    def _answer(data: bytes) -> bytes:
        if data.startswith((b"ACK ", b"BENOTIFY ", b"SIP/")):
            return b""
        head = data.partition(b"\r\n\r\n")[0]
        lines = re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")
        kept = rb"(?i)(via|v|from|f|to|t|call-id|i|cseq)[ \t]*:"
        echoed = [line for line in lines[1:] if re.match(kept, line)]
        return b"\r\n".join([b"SIP/2.0 200 OK", *echoed, b"Content-Length: 0\r\n\r\n"])


class Client:
    """Sends bytes as they are; `received` is what came back, message by message."""

    def __init__(self, proxy: Address, transport: str, source: Address) -> None:
        self.transport = transport
        self.received: list[bytes] = []
        self.is_closed = False
        self._changed = asyncio.Event()
        self._proxy, self._source = proxy, source
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> "Client":
        if self.transport == "udp":
            self.listen(self._source[1])
        else:
            reader, self._writer = await asyncio.open_connection(
                *self._proxy, local_addr=(self._source[0], 0)
            )
            self._reading = asyncio.ensure_future(self._read(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._sockets:
            asyncio.get_running_loop().remove_reader(each)
            each.close()
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()

    def listen(self, port: int) -> None:
        """Answers may come to this port as well: it stands in a Via."""
        each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        each.setblocking(False)
        each.bind((self._source[0], port))
        self._sockets.append(each)
        asyncio.get_running_loop().add_reader(each, self._datagram, each)

    @property
    def port(self) -> int:
        """The port we send from."""
        return self._sockets[0].getsockname()[1]

    def send(self, data: bytes) -> None:
        """Send these bytes."""
        if self._writer is not None:
            self._writer.write(data)
        else:
            self._sockets[0].sendto(data, self._proxy)

    async def final(self) -> int:
        """The status of the first final response; 0 when the proxy hangs up."""
        async with asyncio.timeout(ANSWER_IN):
            while True:
                statuses = [s for s in map(status_of, self.received) if s >= 200]
                if statuses or self.is_closed:
                    return statuses[0] if statuses else 0
                self._changed.clear()
                await self._changed.wait()

    async def hung_up(self) -> None:
        """Wait until the proxy has closed our connection."""
        async with asyncio.timeout(ANSWER_IN):
            while not self.is_closed:
                self._changed.clear()
                await self._changed.wait()

    def _datagram(self, each: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
            while True:
                self.received.append(each.recv(65_535))
                self._changed.set()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        framer = StreamFramer()
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65_535):
                self.received += framer.feed(chunk)
                self._changed.set()
        self.is_closed = True
        self._changed.set()


@dataclass(slots=True)
class RunningProxy:
    """One proxy at `address` (UDP and TCP) and its next hop."""

    runtime: Runtime
    address: Address
    next_hop: NextHop
    log: io.StringIO = field(default_factory=io.StringIO)

    def client(self, transport: str, port: int = 0) -> Client:
        """A client; over UDP it sends from `port`."""
        return Client(self.address, transport, (loopback(3), port))

    async def is_alive(self) -> bool:
        """True when a clean OPTIONS is answered, after all that was sent before."""
        async with self.client("udp") as client:
            client.send(_ping(self.address, client.port))
            return await client.final() == 200

    async def settle(self) -> None:
        """Wait until everything sent so far has gone all the way and back."""
        for _ in range(3):
            assert await self.is_alive()


def _ping(proxy: Address, port: int) -> bytes:
    host, unique = loopback(3), os.urandom(8).hex()
    lines = [
        f"OPTIONS sip:{proxy[0]}:{proxy[1]} SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK-ping-{unique}",
        f"From: <sip:ping@{host}>;tag=1",
        f"To: <sip:{proxy[0]}>",
        f"Call-ID: {unique}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@contextlib.asynccontextmanager
async def running_proxy(
    transport: str = "udp",
    *,
    table: EndpointTable | None = None,
    streams: StreamSettings | None = None,
    **settings: object,
) -> AsyncIterator[RunningProxy]:
    """A proxy that sends everything on to its next hop over `transport`.

    `settings` are those of `CoreSettings`.
    """
    next_hop = NextHop(loopback(2))
    await next_hop.start()
    host = loopback(1)
    port = free_port(host)
    flows = FlowTable(
        [Listener("udp", host, port, index=0), Listener("tcp", host, port, index=1)]
    )
    route = f"sip:{next_hop.host}:{next_hop.port};transport={transport}"
    values: dict[str, object] = {
        "domains": frozenset({"contoso.test"}),
        "default_route": route.encode(),
        "keys": (b"key",),
        **settings,
    }
    log = io.StringIO()
    runtime = Runtime(
        CoreSettings(**values),  # type: ignore[arg-type]
        flows,
        Resolver(["127.0.0.1:1"], {"udp", "tcp"}, {4}),
        table or EndpointTable(),
        AccessLog(log, False),
        streams=streams,
    )
    await runtime.open()
    try:
        yield RunningProxy(runtime, (host, port), next_hop, log)
    finally:
        await runtime.close()
        await next_hop.stop()
