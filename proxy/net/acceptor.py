"""Stream listeners: accept, judge, and only then spend anything on a connection.

asyncio's own server would set up a connection, and shake hands for TLS, before anyone
could refuse it.
"""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

from proxy.net.admission import Admission
from proxy.net.errors import bind_error
from proxy.net.settings import AdmissionSettings
from proxy.net.stream import StreamConnection, Streams, encrypted, plain, tune
from proxy.net.tls import TlsEnd, is_trusted
from proxy.sip.flow import Listener

BACKLOG: Final = 1_024
ACCEPTS_A_TURN: Final = 64
_OUT_OF_DESCRIPTORS: Final = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
)
_PAUSE: Final = 0.5  # seconds without accepting when the system has no more to give


class Acceptor:
    """One TCP or TLS address of ours."""

    __slots__ = (
        "_admission",
        "_handshakes",
        "_is_accepting",
        "_loop",
        "_settings",
        "_socket",
        "_streams",
        "_tasks",
        "_tls",
        "accepted",
        "handshakes_failed",
        "listener",
        "refused",
    )

    def __init__(
        self,
        listener: Listener,
        streams: Streams,
        admission: Admission,
        settings: AdmissionSettings,
        tls: TlsEnd | None = None,
    ) -> None:
        self.listener = listener
        self._streams = streams
        self._admission = admission
        self._settings = settings
        self._tls = tls
        self._handshakes: Counter[str] = Counter()  # unfinished, by source
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_accepting = False
        self.accepted = 0
        self.refused = 0
        self.handshakes_failed = 0

    def open(
        self, opened: socket.socket | None = None, *, reuse_port: bool = False
    ) -> None:
        """Bind (or take over a listening socket) and accept.  Raises NetError."""
        self._loop = asyncio.get_running_loop()
        self._socket = opened or _listening(self.listener, reuse_port)
        self._socket.setblocking(False)
        self.listener.bound_to(self._socket.getsockname()[1])
        self._is_accepting = True
        self._resume()

    def stop_accepting(self) -> None:
        """Close the listening socket; connections stay."""
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def close(self) -> None:
        """Stop accepting and give up unfinished handshakes."""
        self.stop_accepting()
        for task in self._tasks:
            task.cancel()

    def _resume(self) -> None:
        if self._is_accepting:
            self._loop.add_reader(self._socket.fileno(), self._acceptable)

    def _acceptable(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                opened, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._loop.remove_reader(self._socket.fileno())
                    self._loop.call_later(_PAUSE, self._resume)
                    return
                continue  # that one peer went away again
            self._judge(opened, address[0], address[1])

    def _judge(self, opened: socket.socket, host: str, port: int) -> None:
        if self._has_too_many_handshakes(host) or not self._admission.admit(host):
            self.refused += 1
            opened.close()
            return
        self.accepted += 1
        self._handshakes[host] += 1
        opened.setblocking(False)
        tune(opened, self._streams.settings)
        self._spawn(self._welcome(opened, host, port))

    def _has_too_many_handshakes(self, host: str) -> bool:
        """Unfinished ones: of all peers together, or of this one."""
        if self._tls is None:
            return False
        settings = self._settings
        return len(self._tasks) >= settings.handshakes or (
            self._handshakes[host] >= settings.handshakes_per_source
            and not self._admission.is_trusted(host)
        )

    async def _welcome(self, opened: socket.socket, host: str, port: int) -> None:
        trusted = self._tls.trusted_peers if self._tls else ()
        connection = AcceptedConnection(
            self._streams, self.listener, host, port, self._admission, trusted
        )
        # By reference: the context in force at this moment.
        context = self._tls.context if self._tls else None
        timeout = self._streams.settings.tls_handshake if context else None
        try:
            if context is None:
                if plain(self._loop, opened, connection):
                    return
            else:
                async with asyncio.timeout(timeout):
                    if await encrypted(self._loop, opened, connection, context):
                        return
            await self._loop.connect_accepted_socket(
                lambda: connection,
                opened,
                ssl=context,
                ssl_handshake_timeout=timeout,
            )
        except OSError:  # no handshake, or a peer that went away during it
            self.handshakes_failed += 1
        finally:
            self._handshakes[host] -= 1
            if not self._handshakes[host]:
                del self._handshakes[host]
            # A connection that never was one cannot give its place back itself.
            if not connection.is_made:
                self._admission.release(host)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class AcceptedConnection(StreamConnection):
    """A connection that somebody opened to us; gives its place back at the end."""

    __slots__ = ("_admission", "_trusted")

    def __init__(
        self,
        streams: Streams,
        listener: Listener,
        host: str,
        port: int,
        admission: Admission,
        trusted: tuple[str, ...],
    ) -> None:
        super().__init__(streams, listener, host, port)
        self._admission = admission
        self._trusted = trusted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if (
            self._trusted
            and transport.get_extra_info("peercert")
            and not is_trusted(self.flow.peer_names, self._trusted)
        ):
            self._streams.untrusted += 1
            self.abort("untrusted")
            return
        elsewhere = self._streams.flows.elsewhere
        if elsewhere is not None:
            elsewhere.note_accepted(self.flow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._admission.release(self.flow.host)
        super().connection_lost(exc)


def _listening(listener: Listener, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise bind_error(
            listener.transport, listener.host, listener.port, error
        ) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((listener.host, listener.port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise bind_error(
            listener.transport, listener.host, listener.port, error
        ) from error
    return opened
