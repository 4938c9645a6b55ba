"""A proxy between two peers, each over a transport of its own; everything is bytes.

`between(caller, callee)` starts a real runtime that listens on UDP, TCP and TLS, and
two `Peer`s: the caller, who connects to the proxy, and the callee, to whom the default
route leads.  Peers answer nothing by themselves.
"""

import asyncio
import contextlib
import io
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

from proxy.core.settings import CoreSettings
from proxy.endpoints.model import Endpoint, Pool
from proxy.endpoints.table import EndpointTable
from proxy.lab.dns_server import ZoneServer
from proxy.net.network import ListenOptions
from proxy.net.tls import TlsFiles, client_end, server_end
from proxy.pools.resolver import Resolver
from proxy.server.runtime import Runtime
from proxy.sip.flow import FlowTable, Listener
from proxy.sip.framing import StreamFramer
from proxy.telemetry.access import AccessLog
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.proxy import ANSWER_IN, loopback

NAME = "proxy.contoso.test"
POOL, FRONT_END = "pcpool.contoso.test", "fe1.contoso.test"
OTHER_POOL = "otherpool.contoso.test"  # at the same address
ENDPOINT = Endpoint("sip:ocschat@contoso.test", "ocschat@contoso.test", POOL)
TRANSPORTS = ("udp", "tcp", "tls")


class Peer:
    """One end: sends what it is told, keeps what it gets."""

    def __init__(self, transport: str, host: str) -> None:
        self.transport = transport
        self.host = host
        self.port = 0
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._writer: asyncio.StreamWriter | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._proxy = ("", 0)
        self._reading: set[asyncio.Future] = set()

    async def listen(
        self, proxy: tuple[str, int], context: ssl.SSLContext | None = None
    ) -> None:
        """Be reachable at ``host:port``."""
        if self.transport == "udp":
            await self._open_datagrams(proxy)
            return
        tls = context if self.transport == "tls" else None
        self._server = await asyncio.start_server(self._read, self.host, 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def connect(
        self, proxy: tuple[str, int], context: ssl.SSLContext | None = None
    ) -> None:
        """Connect to the proxy."""
        if self.transport == "udp":
            await self._open_datagrams(proxy)
            return
        tls = context if self.transport == "tls" else None
        reader, self._writer = await asyncio.open_connection(
            *proxy,
            ssl=tls,
            server_hostname=NAME if tls else None,
            local_addr=(self.host, 0),
        )
        self.port = self._writer.get_extra_info("sockname")[1]
        self._reading.add(asyncio.ensure_future(self._read(reader, self._writer)))

    async def _open_datagrams(self, proxy: tuple[str, int]) -> None:
        self._proxy = proxy
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self.inbox), local_addr=(self.host, 0)
        )
        self.port = self._datagrams.get_extra_info("sockname")[1]

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writer = writer
        self._writers.append(writer)
        framer = StreamFramer()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while chunk := await reader.read(65_535):
                for data in framer.feed(chunk):
                    self.inbox.put_nowait(data)

    def send(self, data: bytes) -> None:
        """Send on the connection that there is, or as a datagram."""
        if self._datagrams is not None:
            self._datagrams.sendto(data, self._proxy)
        else:
            assert self._writer is not None
            self._writer.write(data)

    async def receive(self, start: bytes) -> bytes:
        """The next message that begins so; others are dropped."""
        async with asyncio.timeout(ANSWER_IN):
            while True:
                data = await self.inbox.get()
                if data.startswith(start):
                    return data

    def close(self) -> None:
        """Close everything."""
        opened = {*self._writers, self._writer} - {None}
        for each in (*opened, self._datagrams, self._server, *self._reading):
            if isinstance(each, asyncio.Future):
                each.cancel()
            elif each is not None:
                each.close()

    @property
    def contact(self) -> str:
        """A Contact URI."""
        return f"sip:{self.host}:{self.port};transport={self.transport}"


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, inbox: asyncio.Queue[bytes]) -> None:
        self._inbox = inbox

    def datagram_received(self, data: bytes, addr: tuple) -> None:
        self._inbox.put_nowait(data)


@dataclass(slots=True)
class Between:
    """The runtime and its two peers."""

    runtime: Runtime
    caller: Peer
    callee: Peer


@contextlib.asynccontextmanager
async def between(
    authority: Authority,
    caller_over: str,
    callee_over: str,
    *,
    pool_certificate: TlsFiles | None = None,
    first_hop: bool = False,
) -> AsyncIterator[Between]:
    """A proxy whose peers speak these transports; certificates are valid.

    With ``pool_certificate`` the callee is `FRONT_END` of `POOL`, which serves
    `ENDPOINT` and is found by SRV; it shows that one.  We show ours to whoever asks,
    and take certificates from whoever has one.
    """
    host = loopback(4)
    shared, tls_port = free_port(host), free_port(host)
    ports = {"udp": shared, "tcp": shared, "tls": tls_port}
    listeners = _listeners(host, ports, first_hop)
    caller = Peer(caller_over, loopback(5))
    callee = Peer(callee_over, loopback(6))
    offered = server_end(pool_certificate or authority.issue(callee.host))
    await callee.listen((host, ports[callee_over]), offered.context)
    zone = ZoneServer(
        {
            f"_sips._tcp.{POOL} SRV": f"10 60 {callee.port} {FRONT_END}.",
            f"{FRONT_END} A": callee.host,
            f"{OTHER_POOL} A": callee.host,
        }
    )
    await zone.start()
    ours = authority.issue(NAME)
    table = EndpointTable()
    if pool_certificate:
        table = EndpointTable((ENDPOINT,), (Pool(POOL, "tls"),))
    runtime = Runtime(
        CoreSettings(
            domains=frozenset({"contoso.test"}),
            default_route=callee.contact.encode(),
            keys=(b"key",),
            source=NAME,
        ),
        FlowTable(listeners),
        Resolver([zone.address], set(TRANSPORTS), {4}),
        table,
        AccessLog(io.StringIO(), False),
        options={2: ListenOptions(tls=server_end(ours, "optional"))},
        client_tls=client_end(ours),
    )
    await runtime.open()
    try:
        trusting = ssl.create_default_context(cafile=authority.ca)
        await caller.connect((host, ports[caller_over]), trusting)
        yield Between(runtime, caller, callee)
    finally:
        caller.close()
        callee.close()
        await runtime.close()
        await zone.stop()


def _listeners(host: str, ports: dict[str, int], first_hop: bool) -> list[Listener]:
    return [
        Listener(
            *(transport, host, ports[transport]),
            index=i,
            advertised_host=NAME,
            first_hop=first_hop and transport != "udp",
        )
        for i, transport in enumerate(TRANSPORTS)
    ]


def values(data: bytes, name: bytes) -> list[bytes]:
    """Every value of a header, in order, as written."""
    head = data.partition(b"\r\n\r\n")[0]
    return re.findall(rb"(?mi)^%b: *([^\r\n]*)" % name, head)


def answer(request: bytes, *more: str, status: str = "200 OK", tag: str = "") -> bytes:
    """A response that copies what it must; ``more`` are further header lines."""
    lines = [b"SIP/2.0 " + status.encode()]
    for name in (b"Via", b"Record-Route", b"From", b"To", b"Call-ID", b"CSeq"):
        for value in values(request, name):
            if name == b"To" and tag and b";tag=" not in value:
                value += b";tag=" + tag.encode()
            lines.append(name + b": " + value)
    lines += [line.encode() for line in more]
    return b"\r\n".join([*lines, b"Content-Length: 0", b"", b""])
