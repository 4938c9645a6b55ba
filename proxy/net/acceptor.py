"""Stream listeners: accept, judge, and only then spend anything on a connection.

asyncio's own server would set up the connection, TLS handshake included, before we
could refuse it.
"""

import asyncio
import errno
import socket
from typing import Final

from proxy import clock
from proxy.net.admission import Admission, Place
from proxy.net.bound_socket import open_socket, tune
from proxy.net.errors import bind_error
from proxy.net.handshakes import Gate, Handshakes, heard
from proxy.net.settings import AdmissionSettings, StreamSettings
from proxy.net.stream import StreamConnection, Streams, encrypted, plain
from proxy.net.tls import TlsEnd, has_ended, is_trusted
from proxy.sip.flow import Listener

BACKLOG: Final = 65_535
"""The length of the accept queue; net.core.somaxconn may lower it.  A peer can wait in
the queue, but a legacy client that is turned away stays away for minutes."""
ACCEPTS_A_TURN: Final = 16
"""Connections accepted in a row, so that other sockets get their turns."""
_OUT_OF_DESCRIPTORS: Final = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
)
_PAUSE: Final = 0.1  # seconds without accepting when no descriptor is left
_TURNS_LATE: Final = 3  # a handshake waits for its turn as long as so many may take


class Acceptor:
    """One TCP or TLS address of ours."""

    __slots__ = (
        "_admission",
        "_friends",
        "_gate",
        "_is_accepting",
        "_loop",
        "_socket",
        "_strangers",
        "_streams",
        "_tasks",
        "_tls",
        "accepted",
        "handshakes_failed",
        "listener",
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
        self._tls = tls
        self._strangers = Handshakes(
            settings.handshakes, settings.handshakes_per_source
        )
        # Friends are not limited, so they need not wait for one another.
        self._friends = Handshakes(max(settings.total, settings.handshakes))
        self._gate = Gate()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_accepting = False
        self.accepted = 0
        self.handshakes_failed = 0

    def open(
        self, opened: socket.socket | None = None, *, reuse_port: bool = False
    ) -> None:
        """Bind (or take over a listening socket) and accept.  Raises NetError."""
        self._loop = asyncio.get_running_loop()
        listener = self.listener
        self._socket = opened or open_socket(
            listener.transport, listener.host, listener.port, reuse_port=reuse_port
        )
        self._socket.setblocking(False)
        # Also on a socket that was handed to us, to set the length of its queue.
        try:
            self._socket.listen(BACKLOG)
        except OSError as error:
            self._socket.close()
            raise bind_error(
                listener.transport, listener.host, listener.port, error
            ) from error
        listener.bound_to(self._socket.getsockname()[1])
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
                    self._admission.no_descriptors()
                    self._loop.remove_reader(self._socket.fileno())
                    self._loop.call_later(_PAUSE, self._resume)
                    return
                continue  # the peer has gone away again
            self._judge(opened, address[0], address[1])

    def _judge(self, opened: socket.socket, host: str, port: int) -> None:
        place = self._admission.take(host)
        if isinstance(place, str):
            opened.close()
            return
        self.accepted += 1
        opened.setblocking(False)
        tune(opened, self._streams.settings)
        trusted = self._tls.trusted_peers if self._tls else ()
        connection = AcceptedConnection(
            self._streams, self.listener, place, port, self._admission, trusted
        )
        place.holder = connection
        if host in self._admission.known:
            connection.forgive()
        if self._tls is None and plain(self._loop, opened, connection):
            return
        task = self._loop.create_task(self._welcome(opened, connection))
        connection.welcome = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(
        self, opened: socket.socket, connection: "AcceptedConnection"
    ) -> None:
        try:
            if self._tls is None:
                await self._loop.connect_accepted_socket(lambda: connection, opened)
            else:
                await self._secure(opened, connection, self._tls)
        except OSError:  # the handshake failed, or the peer went away
            self.handshakes_failed += 1
        except asyncio.CancelledError:  # the peer gave way, or we are closing
            self.handshakes_failed += 1
        finally:
            connection.welcome = None
            # Without ``connection_made`` there is no ``connection_lost``, which would
            # give the place back.
            if not connection.is_made:
                opened.close()
                self._admission.give_back(connection.place)

    async def _secure(
        self, opened: socket.socket, connection: "AcceptedConnection", tls: TlsEnd
    ) -> None:
        """Shake hands when it is this peer's turn; a silent peer takes no turn."""
        settings = self._streams.settings
        is_friend = not connection.place.is_counted
        # Friends get more time: one may be slow because it serves a thousand others.
        patience = settings.idle_new if is_friend else settings.first_byte
        turns = self._friends if is_friend else self._strangers
        async with asyncio.timeout(patience):
            await heard(self._loop, opened)
        async with asyncio.timeout(max(patience, _TURNS_LATE * settings.tls_handshake)):
            turn = await turns.begin(connection.place.network)

        async def step() -> None:
            turn.progressed_at = self._loop.time()
            await self._gate.step()

        try:
            # Read ``tls.context`` now: a certificate reload replaces it.
            context = tls.context
            timeout = settings.tls_handshake * (_TURNS_LATE if is_friend else 1)
            async with asyncio.timeout(timeout):
                if await encrypted(self._loop, opened, connection, context, None, step):
                    return
            await self._loop.connect_accepted_socket(
                lambda: connection,
                opened,
                ssl=context,
                ssl_handshake_timeout=timeout,
            )
        finally:
            turns.end(turn)


class AcceptedConnection(StreamConnection):
    """A connection that a peer opened to us; gives its place back at the end.

    ``welcome`` is the task that accepts it, until it is open.
    """

    __slots__ = ("_admission", "_trusted", "place", "welcome")

    def __init__(
        self,
        streams: Streams,
        listener: Listener,
        place: Place,
        port: int,
        admission: Admission,
        trusted: tuple[str, ...],
    ) -> None:
        super().__init__(streams, listener, place.host, port)
        self.place = place
        self.welcome: asyncio.Task[None] | None = None
        self._admission = admission
        self._trusted = trusted

    @property
    def silent_since(self) -> float:
        """See admission.Holder."""
        return self._last_read

    @property
    def is_proven(self) -> bool:
        """See admission.Holder."""
        return self.flow.is_proven

    def give_way(self) -> None:
        """See admission.Holder."""
        self._admission.give_back(self.place)
        if self.welcome is not None:
            self.welcome.cancel()
        else:
            self.close("gave-way")

    def _overdue(self, now: float, settings: StreamSettings) -> str:
        reason = super()._overdue(now, settings)
        if reason == "first-byte-timeout" and not self.place.is_counted:
            return "" if now - self._opened_at <= settings.idle_new else reason
        return reason

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # The deadlines of the first message begin only now, when it can be sent.
        self._opened_at = self._last_read = self._streams.loop.time()
        super().connection_made(transport)
        names = self.flow.peer_names
        certificate = transport.get_extra_info("peercert")
        if certificate:
            is_welcome = not self._trusted or is_trusted(names, self._trusted)
            if not is_welcome or has_ended(certificate, clock.wall()):
                self._streams.untrusted += 1
                self.abort("untrusted" if not is_welcome else "expired")
                return
            if self._trusted:
                self._admission.befriend(self.place)
        if names or not self.place.is_counted:
            self.flow.is_proven = True
        elsewhere = self._streams.flows.elsewhere
        if elsewhere is not None:
            elsewhere.note_accepted(self.flow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._admission.give_back(self.place)
        super().connection_lost(exc)
