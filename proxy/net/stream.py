"""Stream connections: TCP and TLS, accepted or opened by us, after the handshake.

Bytes are read into one buffer that all connections share (asyncio would allocate 256
KiB for each read), framed, and handed on message by message.  What is sent waits in
``_pending`` until the batch of events is over, and then leaves as one write.  A peer
that does not read loses its connection, so that what it does not take cannot fill
memory at the cost of others.
"""

import asyncio
import itertools
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from proxy.net.errors import why_lost
from proxy.net.event_loop import DirectEventLoop
from proxy.net.outbox import Outbox
from proxy.net.plain_transport import PlainTransport
from proxy.net.settings import DEFAULT_STREAM, StreamSettings
from proxy.net.sink import Sink
from proxy.net.stream_flow import StreamFlow
from proxy.net.tls import peer_names, peer_users
from proxy.net.tls_transport import Session, TlsTransport, shake_hands
from proxy.sip.flow import FlowTable, Listener
from proxy.sip.framing import FramingError, StreamFramer

READ_BUFFER: Final = 64 * 1024
READ_OF_OTHERS: Final = 4 * 1024
"""Bytes read at a time from a peer that is no server of ours: some ten messages.  More
would be handled one after the other, and everybody else would wait for all of them."""


class Wire(Protocol):
    """What a connection needs of its transport, asyncio's or one of ours."""

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def set_write_buffer_limits(self, high: int) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def get_extra_info(self, name: str) -> Any: ...


class Streams:
    """What all stream connections share: the sink, the flow table, buffer, counters."""

    __slots__ = (
        "_numbers",
        "connections",
        "flows",
        "framing_errors",
        "held",
        "keepalives",
        "loop",
        "messages_dropped",
        "outbox",
        "read_buffer",
        "read_buffer_of_others",
        "settings",
        "shed",
        "sink",
        "timed_out",
        "untrusted",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        flows: FlowTable,
        sink: Sink,
        outbox: Outbox,
        settings: StreamSettings = DEFAULT_STREAM,
    ) -> None:
        self.loop = loop
        self.flows = flows
        self.sink = sink
        self.outbox = outbox
        self.settings = settings
        self.read_buffer = memoryview(bytearray(READ_BUFFER))
        self.read_buffer_of_others = self.read_buffer[:READ_OF_OTHERS]
        self.connections: set[StreamConnection] = set()
        self._numbers = itertools.count(flows.origin + 1)
        self.messages_dropped = 0  # sent on a flow that had ended
        self.keepalives = 0
        self.framing_errors = 0
        self.held = 0  # bytes of messages that are not whole yet, all together
        self.shed = 0
        self.timed_out = 0
        self.untrusted = 0  # a valid certificate of a peer that we do not trust

    def next_connection_id(self) -> int:
        return next(self._numbers)

    def sweep(self) -> None:
        """Close what is past a deadline; called by the network's one timer."""
        now = self.loop.time()
        waiting = 0
        for connection in list(self.connections):
            waiting += connection.unread
            connection.expire(now)
        if waiting > self.settings.buffers:
            self.relieve()

    def relieve(self) -> None:
        """Too much is held for peers that send in parts or do not read: close the
        connections that hold most, strangers first, until half is free again."""
        found = [(each.unread, each) for each in self.connections]
        total = sum(bytes_ for bytes_, _ in found)
        found.sort(key=lambda x: (x[1].flow.is_proven, -x[0]))
        for bytes_, connection in found:
            if total <= self.settings.buffers // 2:
                return
            if bytes_:
                total -= bytes_
                self.shed += 1
                connection.abort("memory")


class StreamConnection(asyncio.BufferedProtocol):
    """One connection: framing, ordered writes, deadlines, one report of its end."""

    __slots__ = (
        "_closing_since",
        "_framer",
        "_has_message",
        "_held",
        "_last_read",
        "_opened_at",
        "_partial_since",
        "_pending",
        "_streams",
        "_transport",
        "_was_opened_by_us",
        "flow",
        "is_made",
    )

    def __init__(
        self,
        streams: Streams,
        listener: Listener,
        host: str,
        port: int,
        *,
        was_opened_by_us: bool = False,
    ) -> None:
        self._streams = streams
        self._framer = StreamFramer(streams.settings.limits)
        self._pending: list[bytes] = []
        self._transport: Wire | None = None
        self.is_made = False  # whether there ever was one, handshake included
        self._was_opened_by_us = was_opened_by_us
        self._has_message = False
        self._held = 0  # bytes of a message that is not whole
        self._partial_since: float | None = None
        self._closing_since: float | None = None
        self._opened_at = self._last_read = streams.loop.time()
        number = streams.next_connection_id()
        self.flow = StreamFlow(listener, host, port, number, self)

    # -- asyncio's side --------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.is_made = True
        # asyncio then calls pause_writing as soon as that much is queued.
        transport.set_write_buffer_limits(high=self._streams.settings.write_queue)
        self._note_peer(transport)
        self._streams.connections.add(self)
        self._streams.flows.add_stream(self.flow)

    def _note_peer(self, transport: Wire) -> None:
        """Note the names in the peer's certificate; none when it has shown none."""
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None and not self._was_opened_by_us:
            certificate = tls.getpeercert()
            self.flow.peer_names = peer_names(certificate)
            self.flow.peer_users = peer_users(certificate)

    def get_buffer(self, sizehint: int) -> memoryview:
        # One buffer for all: nothing comes between a read and ``buffer_updated``.
        if self._framer.forgives:
            return self._streams.read_buffer
        return self._streams.read_buffer_of_others

    def buffer_updated(self, nbytes: int) -> None:
        streams, framer = self._streams, self._framer
        if self._closing_since is not None or framer.is_broken:
            return
        self._last_read = now = streams.loop.time()
        messages = framer.feed(streams.read_buffer[:nbytes])
        if messages:
            self._has_message = True
            self._partial_since = now if framer.is_partial else None
        elif self._partial_since is None and framer.is_partial:
            self._partial_since = now
        if self._partial_since is not None or self._held:
            self._hold(framer.held)
        if framer.keepalives:
            streams.keepalives += framer.keepalives
            if self.flow.wants_pong:
                self.send(b"\r\n" * framer.keepalives)
            framer.keepalives = 0
        streams.outbox.is_batch = True
        try:
            deliver, flow = streams.sink.message, self.flow
            for message in messages:
                deliver(flow, message)
            if framer.error is not None:
                self._fail(framer.error)
        finally:
            streams.outbox.end()

    def eof_received(self) -> bool:
        can_tell = isinstance(self._streams.loop, DirectEventLoop)  # of a later reset
        if self.flow.waiting > 0 and self._closing_since is None and can_tell:
            # It may have shut only its sending side, and still wait for our answers.
            self.flush()
            self.flow.half_open = 1
            self._end("closed")
            return True
        # A peer that has finished sending gets what is queued for it and no more.
        self.close("closed")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._streams.connections.discard(self)
        self._streams.held -= self._held
        self._held = 0
        if self.flow.half_open:
            self.flow.half_open = 0
            self._streams.outbox.report(
                self._streams.sink.flow_closed, self.flow, why_lost(exc)
            )
        self._end(why_lost(exc))
        # Break the reference cycle with the transport.  asyncio's TLS transport would
        # otherwise keep 256 KiB of buffers until the next garbage collection.
        self._transport = None

    def pause_writing(self) -> None:
        """More is queued than a peer may make us hold: close its connection."""
        if self._closing_since is None:
            self._streams.shed += 1
        self.abort("write-queue")

    def _hold(self, bytes_: int) -> None:
        """Account for the part of a message that has come."""
        streams = self._streams
        streams.held += bytes_ - self._held
        self._held = bytes_
        if streams.held > streams.settings.buffers:
            streams.relieve()

    @property
    def unread(self) -> int:
        """Bytes that this connection makes us hold, both ways."""
        transport = self._transport
        waiting = 0 if transport is None else transport.get_write_buffer_size()
        return self._held + waiting

    def forgive(self) -> None:
        """The peer is a server of ours: see ``StreamFramer.forgives``."""
        self._framer.forgives = True

    @property
    def comes_first(self) -> bool:
        """Whether it is read before the connections of others: a server of ours speaks
        for many callers."""
        return self._framer.forgives

    # -- our side --------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queue one message; it leaves with the others of this batch."""
        if self._closing_since is not None and not self.flow.half_open:
            self._streams.messages_dropped += 1
            return
        self._pending.append(data)
        if len(self._pending) == 1:
            self._streams.outbox.add(self)

    def flush(self) -> None:
        """Write what is pending."""
        pending = self._pending
        if pending and self._transport is not None:
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            pending.clear()
            self._transport.write(data)

    def close(self, reason: str) -> None:
        """Close after what is queued has been written; the flow ends now."""
        if self._closing_since is None or self.flow.half_open:
            self.flush()
            self._end(reason)
            if self._transport is not None:
                self._transport.close()

    def abort(self, reason: str) -> None:
        """Close at once; what is queued is lost."""
        self._pending.clear()
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    def expire(self, now: float) -> None:
        """Close when a deadline has passed."""
        settings = self._streams.settings
        if self._closing_since is not None:
            patience = settings.close
            if self.flow.half_open:
                patience += settings.half_closed
                if self.flow.waiting <= 0 or now > self._closing_since + patience:
                    self.close("closed")
            if now - self._closing_since > patience and self._transport:
                self._transport.abort()
            return
        reason = self._overdue(now, settings)
        if reason:
            self._streams.timed_out += 1
            self.close(reason)

    def _overdue(self, now: float, settings: StreamSettings) -> str:
        if self._partial_since is not None:
            late = now - self._partial_since > settings.whole_message
            return "message-timeout" if late else ""
        if self._has_message or self._was_opened_by_us:
            late = now - self._last_read > settings.idle_established
            return "idle" if late else ""
        # No message yet: keep-alives alone do not prolong this deadline.
        silent = self._last_read == self._opened_at
        limit = settings.first_byte if silent else settings.idle_new
        if now - self._opened_at <= limit:
            return ""
        return "first-byte-timeout" if silent else "idle"

    def _fail(self, error: FramingError) -> None:
        """Let the core answer, then close: what follows on this stream may be anything
        (``sip/framing.py``)."""
        self._streams.framing_errors += 1
        if self._transport is not None:
            self._transport.pause_reading()
        self._streams.sink.framing_failed(
            self.flow, error.data, error.status, error.reason
        )
        self._streams.loop.call_soon(self.close, "framing")

    def _end(self, reason: str) -> None:
        """Take the flow out of the table and tell the sink, once."""
        if self._closing_since is None:
            self._closing_since = self._streams.loop.time()
            self._streams.flows.remove_stream(self.flow)
            self._streams.outbox.report(
                self._streams.sink.flow_closed, self.flow, reason
            )


def plain(loop: asyncio.AbstractEventLoop, opened: socket.socket, made: Any) -> bool:
    """Serve a TCP connection without asyncio's transport; False when the loop of this
    system cannot."""
    if not isinstance(loop, DirectEventLoop):
        return False
    PlainTransport(loop, loop.wait, opened, made).start()
    return True


async def encrypted(
    loop: asyncio.AbstractEventLoop,
    opened: socket.socket,
    made: Any,
    context: ssl.SSLContext,
    server_name: str | None = None,
    step: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """The same for TLS, after a handshake; without ``server_name`` we are the server.

    Raises OSError when the handshake fails; the socket is closed then.
    """
    if not isinstance(loop, DirectEventLoop):
        return False
    try:
        session = Session(context, server_name is None, server_name)
        await shake_hands(loop, opened, session, step)
    except BaseException:
        opened.close()
        raise
    TlsTransport(loop, loop.wait, opened, made, session).start()
    return True
