"""Outgoing connections: one attempt per remote address, however many requests need it.

An opened connection is in the flow table under its remote address, where later requests
find it.  Every request that waited for it gets its outcome.

Connections to pools, nodes and trusted networks are not limited.  We open all others on
behalf of strangers: to contacts, and to clients whose connection ended before their
answer came.  Their number is limited, in all and by network.  At the limit the one that
has been silent longest gives way, and none may stay silent for long.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

from proxy.net.admission import Admission
from proxy.net.bound_socket import tune
from proxy.net.errors import reason as told
from proxy.net.settings import AdmissionSettings, StreamSettings
from proxy.net.stream import StreamConnection, Streams, encrypted, plain
from proxy.net.tls import TlsEnd
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Listener
from proxy.sip.host import host_port, network_of

_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h: the port is chosen by connect()
_WILDCARDS: Final = ("0.0.0.0", "::")
_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

SILENCE: Final = 200.0
"""Seconds that a connection opened for a stranger may be silent: longer than any
request of ours waits for its answer (timer C)."""

MOST_CERTIFICATES: Final = 4_096
"""Front ends whose certificates are remembered: addresses come and go with DNS."""

_Key = tuple[str, str, int, str]


class Connector:
    """Opens TCP and TLS connections and reports each to all that asked for it.

    ``tls_of_pools`` are ends of TLS for single pools, by FQDN in lower case.
    """

    __slots__ = (
        "_admission",
        "_certificates",
        "_limit",
        "_loop",
        "_strangers",
        "_streams",
        "_tasks",
        "_tls",
        "_tls_of_pools",
        "_waiting",
        "failed",
        "held",
        "opened",
    )

    def __init__(
        self,
        streams: Streams,
        settings: AdmissionSettings,
        admission: Admission,
        tls: TlsEnd | None = None,
        tls_of_pools: Mapping[str, TlsEnd] | None = None,
    ) -> None:
        self._tls_of_pools = tls_of_pools or {}
        self._streams = streams
        self._loop = streams.loop
        self._limit = settings.outgoing
        self._admission = admission
        self._strangers: dict[OpenedConnection, str] = {}  # with their networks
        self._tls = tls
        self._waiting: dict[_Key, list[FrontEnd]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._certificates: dict[_Key, float] = {}
        self.opened = 0
        self.failed = 0
        self.held = 0  # connections opened by us that exist now

    def connect(self, front_end: FrontEnd, listener: Listener, timeout: float) -> None:
        """Connect within ``timeout`` seconds, TLS handshake included.

        A call during an attempt to the same address gets that attempt's outcome, and so
        its deadline.  TLS connections are kept apart by server name: each name must be
        verified.
        """
        name = front_end.pool or front_end.name or front_end.host
        key = (*front_end.key, name if front_end.transport == "tls" else "")
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(front_end)
            return
        self._waiting[key] = [front_end]
        task = self._loop.create_task(self._attempt(key, listener, timeout))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tls_end(self, name: str) -> TlsEnd | None:
        """Our end of TLS towards the pool of this name; None without any."""
        return self._tls_of_pools.get(name.lower(), self._tls)

    def certificate_end(self, key: tuple[str, str, int], name: str) -> float | None:
        """When the certificate ends (epoch seconds) that a front end has shown for
        ``name``; None when we have seen none."""
        return self._certificates.get((*key, name))

    def note_certificate(
        self, key: tuple[str, str, int], name: str, ends_at: float
    ) -> None:
        """A front end has shown a certificate that ends then."""
        if len(self._certificates) >= MOST_CERTIFICATES:
            self._certificates.clear()
        self._certificates[*key, name.lower()] = ends_at

    def close(self) -> None:
        """Give up all attempts, without reports."""
        for task in self._tasks:
            task.cancel()

    async def _attempt(self, key: _Key, listener: Listener, timeout: float) -> None:
        connection = OpenedConnection(self, self._streams, listener, key[1], key[2])
        try:
            if self._admission.is_friend(key[1]):
                connection.forgive()
            else:
                self._make_room(connection, network_of(key[1]))
            async with asyncio.timeout(timeout):
                await self._open(connection, key, listener)
            if not connection.flow.is_open:
                raise ConnectionResetError  # gone before anyone was told
        except OSError as error:  # TimeoutError and ssl.SSLError are OSErrors
            self._failed(key, error, timeout)
            return
        except Exception as error:
            # For example, a name that ssl cannot encode.  Every waiting request needs
            # the outcome; without it no later request could try this address again.
            self._failed(key, OSError(errno.EINVAL, repr(error)), timeout)
            return
        finally:
            waiting = self._waiting.pop(key, [])
            if not connection.is_made:
                self._strangers.pop(connection, None)
        self.opened += 1
        if connection.certificate_end:
            self.note_certificate(key[:3], key[3], connection.certificate_end)
        for front_end in waiting:
            self._streams.outbox.report(
                self._streams.sink.flow_opened, front_end, connection.flow
            )

    async def _open(
        self, connection: "OpenedConnection", key: _Key, listener: Listener
    ) -> None:
        transport, host, port, name = key
        end = self.tls_end(name)
        # Read ``end.context`` now: a certificate reload replaces it.
        context = end.context if end and transport == "tls" else None
        if transport == "tls" and context is None:
            raise ssl.SSLError(0, "no TLS towards pools is configured")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            tune(opened, self._streams.settings)
            if listener.host not in _WILDCARDS:
                _choose_source(opened, listener.host)
            await self._loop.sock_connect(opened, (host, port))
        except BaseException:
            opened.close()
            raise
        if context is None:
            if plain(self._loop, opened, connection):
                return
        else:
            # Only the name that we verify (RFC 5922 section 7.2), whatever other names
            # the certificate has.
            connection.flow.peer_names = (name,)
            if end and end.files.certificate is not None:
                # The peer sees our certificate, so it may send requests back over this
                # connection (``alias``, RFC 5923).
                connection.flow.via_prefix = listener.via_prefix_alias
            if await encrypted(self._loop, opened, connection, context, name):
                return
        await self._loop.create_connection(
            lambda: connection,
            sock=opened,
            ssl=context,
            server_hostname=name if context else None,
        )

    def _make_room(self, connection: "OpenedConnection", network: str) -> None:
        """Take a place among those for strangers; raises OSError when there is none."""
        held = self._strangers
        if sum(1 for each in held.values() if each == network) >= self._limit // 4:
            raise OSError(
                errno.EMFILE, f"{self._limit // 4} connections opened to its network"
            )
        if len(held) >= self._limit:
            silent = [x for x in held if x.is_made]
            if not silent:
                raise OSError(errno.EMFILE, f"{self._limit} outgoing connections")
            # It is closed in the next turn of the loop at the latest.
            oldest = min(silent, key=lambda x: x.silent_since)
            self._admission.gave_way += 1
            del held[oldest]
            oldest.close("gave-way")
        held[connection] = network
        connection.is_for_stranger = True

    def lost(self, connection: "OpenedConnection") -> None:
        """A connection of ours has ended."""
        self.held -= 1
        self._strangers.pop(connection, None)

    def _failed(self, key: _Key, error: OSError, timeout: float) -> None:
        self.failed += 1
        word, detail = _explain(key, error, timeout)
        for front_end in self._waiting.pop(key, []):
            self._streams.outbox.report(
                self._streams.sink.connect_failed, front_end, word, detail
            )


class OpenedConnection(StreamConnection):
    """A connection that we opened; ``Connector.held`` counts it while it lives."""

    __slots__ = ("_connector", "certificate_end", "is_for_stranger")

    def __init__(
        self,
        connector: Connector,
        streams: Streams,
        listener: Listener,
        host: str,
        port: int,
    ) -> None:
        super().__init__(streams, listener, host, port, was_opened_by_us=True)
        self._connector = connector
        self.is_for_stranger = False
        self.certificate_end = 0.0  # of the peer, epoch seconds; 0: none was seen
        self.flow.first_hop = False

    @property
    def silent_since(self) -> float:
        """When the peer last said anything, on the loop's clock."""
        return self._last_read

    def _overdue(self, now: float, settings: StreamSettings) -> str:
        if self.is_for_stranger and now - self._last_read > SILENCE:
            return "idle"
        return super()._overdue(now, settings)

    def connection_made(self, transport: Any) -> None:
        self._connector.held += 1
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            ends = (tls.getpeercert() or {}).get("notAfter")
            if isinstance(ends, str):
                self.certificate_end = ssl.cert_time_to_seconds(ends)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connector.lost(self)
        super().connection_lost(exc)


def _choose_source(opened: socket.socket, host: str) -> None:
    """Send from the listener's address, from any port.

    The option leaves the choice of the port to connect(), which can use one port for
    many destinations; bind() alone would take a whole port.
    """
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    opened.bind((host, 0))


def _explain(key: _Key, error: OSError, timeout: float) -> tuple[str, str]:
    """The short word and the sentence of ``Sink.connect_failed``."""
    transport, host, port, name = key
    where = f"{transport} {host_port(host, port)}"
    if isinstance(error, TimeoutError):
        return "connect-timeout", f"{where} did not answer within {timeout:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls", f"{where} as {name}: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "tls", f"{where}: {error.reason or error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return "refused", f"{where} refused the connection"
    if isinstance(error, ConnectionError):
        word = "tls" if transport == "tls" else "refused"
        return word, f"{where} closed the connection before it was set up"
    if error.errno in _NO_ROOM:
        return "limit", f"{where} not tried: {error.strerror}"
    return "unreachable", f"{where} cannot be reached: {told(error)}"
