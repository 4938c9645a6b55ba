"""Many client connections that say nothing but that they are still there."""

import asyncio
import resource
import ssl
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from tests.bench.world import PROXY, PROXY_TLS, World

AT_ONCE = 64  # connections that are being made
PER_SOURCE = 5_000  # of an address: ports are few
PING, PONG = b"\r\n\r\n", b"\r\n"  # RFC 5626 section 3.5.1
# A connection counts as a client's once it has carried a message, and who writes
# ``keep`` is answered his keep-alives (RFC 6223).
HELLO = (
    "OPTIONS sip:contoso.test SIP/2.0\r\n"
    "Via: SIP/2.0/{0} {1}:5060;branch=z9hG4bK{2};rport;keep\r\nMax-Forwards: 70\r\n"
    "From: <sip:u{2}@contoso.test>;tag=1\r\nTo: <sip:contoso.test>\r\n"
    "Call-ID: {2}@{1}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


BESIDE: Final = 500  # open files that are no client's
MANY: Final = 1 << 20


def most_clients() -> int:
    """How many connections the open files of this machine allow."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = before[1]
    with suppress(OSError, ValueError):  # root may have more
        resource.setrlimit(resource.RLIMIT_NOFILE, (MANY, max(MANY, allowed)))
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        allowed = max(MANY, allowed)
    return allowed - 2 * BESIDE


class Crowd:
    """``size`` clients over ``tcp`` or ``tls``; a context manager."""

    def __init__(self, world: World, transport: str, size: int) -> None:
        self._size = size
        self._address = PROXY_TLS if transport == "tls" else PROXY
        self._tls: ssl.SSLContext | None = None
        if transport == "tls":
            self._tls = ssl.create_default_context()
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        self._loop = asyncio.new_event_loop()
        self._links: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        del world

    def __enter__(self) -> Self:
        wanted = self._size + BESIDE
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:  # the proxy is our child and has the same limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(wanted, hard)))
        except (OSError, ValueError):
            raise RuntimeError(
                f"{wanted} open files are needed and {hard} allowed: ulimit -Hn"
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lost()
        self._loop.close()

    def connect(self) -> None:
        """All of them, so many at a time; each has had an answer."""
        self._loop.run_until_complete(self._connect())

    def keep_alive(self, seconds: float) -> None:
        """Each says once that it is there, spread over so many seconds."""
        self._loop.run_until_complete(self._keep_alive(seconds))

    def lost(self) -> None:
        """The other side has gone."""
        for _, writer in self._links:
            writer.transport.abort()
        self._links = []
        self._loop.run_until_complete(asyncio.sleep(0.1))

    async def _connect(self) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(number: int) -> None:
            source = f"127.0.{1 + number // PER_SOURCE}.1"
            async with room:
                link = await asyncio.open_connection(
                    *self._address, ssl=self._tls, local_addr=(source, 0)
                )
                hello = HELLO.format("TLS" if self._tls else "TCP", source, number)
                link[1].write(hello.encode())
                await link[0].readuntil(b"\r\n\r\n")
            self._links.append(link)

        await asyncio.gather(*(one(number) for number in range(self._size)))

    async def _keep_alive(self, seconds: float) -> None:
        began, loop = self._loop.time(), self._loop
        for number, (reader, writer) in enumerate(self._links):
            early = began + seconds * number / len(self._links) - loop.time()
            if early > 0:
                await asyncio.sleep(early)
            writer.write(PING)
            await reader.readexactly(len(PONG))
