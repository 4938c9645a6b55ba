"""uvicorn with the limits that it does not have: slow heads, many connections, TLS.

A connection must bring the head of its first request within ``HEAD_PATIENCE`` seconds,
and one address may hold ``PER_SOURCE`` of all connections, so that nobody keeps others
out by opening connections and saying nothing.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_PATIENCE: Final = 10.0
HANDSHAKE_PATIENCE: Final = 5.0
"""Seconds for the head of a request, and for the handshake of TLS."""
CONNECTIONS: Final = 256
PER_SOURCE: Final = 64
KEEP_ALIVE: Final = 20
"""Seconds that a connection may be idle between two requests."""
HEAD_LIMIT: Final = 64 * 1024


class Limits:
    """What is open now, and how long a head may take."""

    def __init__(self) -> None:
        self.by_source: Counter[str] = Counter()
        self.head_patience = HEAD_PATIENCE
        self.per_source = PER_SOURCE


class WebProtocol(H11Protocol):
    """One connection."""

    limits = Limits()
    """Those of a class; ``WebServer`` makes a subclass with limits of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._source: str | None = None

    def connection_made(self, transport: Any) -> None:
        """Count it, or refuse it."""
        super().connection_made(transport)
        source = self.client[0] if self.client else ""
        limits = self.limits
        total = limits.by_source.total()
        if total >= CONNECTIONS or limits.by_source[source] >= limits.per_source:
            transport.abort()
            return
        self._source = source
        limits.by_source[source] += 1
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no more."""
        if self._source is not None:
            self.limits.by_source[self._source] -= 1
            if not self.limits.by_source[self._source]:
                del self.limits.by_source[self._source]
            self._source = None
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A head that begins must end soon."""
        before = self.cycle  # a new one means that a head has come whole
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif self._head_timer is None and self._is_between_requests():
            self._wait_for_head()

    def _is_between_requests(self) -> bool:
        return self.cycle is None or bool(self.cycle.response_complete)

    def _wait_for_head(self) -> None:
        patience = self.limits.head_patience
        self._head_timer = self.loop.call_later(patience, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_between_requests() and self.transport is not None:
            self.transport.abort()


class WebServer(uvicorn.Server):
    """Serves an application on one socket that is bound already."""

    def __init__(
        self, app: Any, sock: socket.socket, context: ssl.SSLContext | None = None
    ) -> None:
        self.limits = Limits()
        protocol = type("BoundProtocol", (WebProtocol,), {"limits": self.limits})
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=True,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=3,
                h11_max_incomplete_event_size=HEAD_LIMIT,
            )
        )
        self._sock = sock
        self.context = context

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: ``console.serve`` handles signals."""
        yield

    async def startup(self, sockets: Any = None) -> None:
        """As uvicorn does, with a bounded handshake."""
        config = self.config
        await self.lifespan.startup()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state={}
            )
            return made

        server = await asyncio.get_running_loop().create_server(
            protocol,
            sock=self._sock,
            ssl=self.context,
            backlog=CONNECTIONS,
            ssl_handshake_timeout=HANDSHAKE_PATIENCE if self.context else None,
        )
        self.servers = [server]
        self.started = True

    def renew(self, certificate: str, key: str | None) -> None:
        """Show another certificate to new connections; raises OSError."""
        if self.context is not None:
            # With no password at all OpenSSL would ask for one on the terminal.
            self.context.load_cert_chain(certificate, key, password="")
