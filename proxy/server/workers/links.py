"""What the workers of one node send each other: SIP messages, ends of flows, and news.

``link_frames.py`` carries the frames; ``news.py`` says what the news are.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final, Protocol

import structlog

from proxy.core.siblings.directory import Siblings, stream_key
from proxy.location.binding import BindingChange
from proxy.net.outbox import Outbox
from proxy.net.stream_flow import StreamFlow
from proxy.pools.health import Ejection
from proxy.server.workers.link_frames import LinkFrames
from proxy.server.workers.news import PATIENCE, bindings_news, ejection_news
from proxy.sip.flow import WORKER_BITS, Flow, FlowTable, Listener

log = structlog.get_logger()

MOST_REMOTE: Final = 50_000
"""Flows of siblings' connections that are kept; the oldest go."""

_WHERE: Final = struct.Struct("!BQHB")  # listener, connection, port, size of the host
_LINK: Final = "%"
"""Between a link-local address and the number of its link."""
MESSAGE, SEND, GONE, REFUSED, NEWS, DONE = range(6)


class Receiver(Protocol):
    """Takes what comes over the links; every call is inside a batch of the outbox."""

    def datagram(self, flow: Flow, data: bytes) -> None:
        """A message that a sibling handed over."""

    def datagram_refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """ICMP gave a sibling a datagram back that this worker had sent."""

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """A flow at a sibling has ended."""

    def news(self, news: Any) -> None:
        """News that a sibling tells all others; made of JSON's types."""


class RemoteConnection:
    """A client's connection at another worker, which does the writing."""

    __slots__ = ("_links", "flow", "worker")

    def __init__(self, links: "SiblingLinks", worker: int) -> None:
        self._links = links
        self.worker = worker
        self.flow: Flow | None = None

    def send(self, data: bytes) -> None:
        """Have the worker that has the connection send this."""
        assert self.flow is not None
        self._links.send_frame(self.worker, SEND, _where(self.flow) + data)

    def close(self, reason: str) -> None:
        """Do nothing: only the worker that has the connection may close it."""


class SiblingLinks:
    """Everything that this worker tells its siblings, and hears from them.

    ``names`` are the addresses of the workers' Unix sockets, ``listening`` is ours.
    Telemetry reads the counters, which are plain integers.
    """

    def __init__(
        self,
        siblings: Siblings,
        names: list[str],
        listening: socket.socket,
        flows: FlowTable,
        outbox: Outbox,
        receiver: Receiver,
    ) -> None:
        self.siblings = siblings
        self._flows = flows
        self._outbox = outbox
        self._receiver = receiver
        self._loop = asyncio.get_running_loop()
        self._remote: dict[bytes, StreamFlow] = {}
        # Our connections that siblings have sent on: tell them when one ends.
        self._users: dict[int, set[tuple[int, bytes]]] = {}
        self._asked: dict[int, tuple[set[int], asyncio.Future[None]]] = {}
        self._silent: set[int] = set()
        self._serial = 0
        self.handed_over = 0
        self.sent_for_siblings = 0
        self._frames = LinkFrames(
            siblings.index, names, listening, outbox, self._take, self._lost
        )
        self.send_frame = self._frames.send
        self.open = self._frames.open
        self.close = self._frames.close

    @property
    def frames_dropped(self) -> int:
        """Frames that could not be sent to a sibling."""
        return self._frames.dropped

    # -- what the proxy asks -------------------------------------------------------

    def hand_over(self, worker: int, flow: Flow, data: bytes, reason: str) -> None:
        """Give a message, or a datagram that ICMP gave back, to the worker that it
        belongs to."""
        self.handed_over += 1
        head = _where(flow, self._flows.link_of(flow.listener, flow.host))
        if reason:
            word = reason.encode()
            self.send_frame(worker, REFUSED, head + bytes([len(word)]) + word + data)
        else:
            self.send_frame(worker, MESSAGE, head + data)

    def tell(self, news: Any) -> None:
        """Tell every sibling something; ``news`` is made of JSON's types."""
        body = b"\0\0\0\0" + json.dumps(news).encode()
        for worker in self._others():
            self.send_frame(worker, NEWS, body)

    async def tell_and_wait(self, news: Any, timeout: float) -> None:
        """Tell every sibling, and wait until all have confirmed; at most ``timeout`` s.

        A sibling that did not confirm in time is not waited for again until it speaks
        (decision 60).
        """
        self._serial = serial = self._serial % 0x7FFFFFFF + 1
        body = serial.to_bytes(4, "big") + json.dumps(news).encode()
        waiting = set(self._others())
        done = self._loop.create_future()
        self._asked[serial] = waiting, done
        # Of a copy: a sibling that turns out to be dead leaves the set at once.
        for worker in list(waiting):
            if not self.send_frame(worker, NEWS, body):
                waiting.discard(worker)
        # A restarting worker reloads from the store and then drains its link, so do
        # not wait for it.
        waiting -= self._silent
        if not waiting and not done.done():
            done.set_result(None)
        try:
            await asyncio.wait_for(done, timeout)
        except TimeoutError:
            log.warning("sibling.silent", workers=sorted(waiting))
            self._silent |= waiting
        finally:
            del self._asked[serial]

    def tell_ejection(self, news: Ejection) -> None:
        """See Links."""
        self.tell(ejection_news(news))

    async def tell_bindings(self, changes: Sequence[BindingChange]) -> None:
        """Return once every sibling has confirmed, or after ``PATIENCE``."""
        await self.tell_and_wait(bindings_news(changes), PATIENCE)

    def flow_closed(self, flow: Flow) -> None:
        """A connection of ours has ended: tell the siblings that sent on it."""
        users = self._users.pop(flow.connection_id, None)
        for worker, where in users or ():
            self.send_frame(worker, GONE, where)
        self.siblings.streams.forget(stream_key(flow.transport, flow.host, flow.port))

    # -- Elsewhere: what the flow table asks ---------------------------------------

    def by_id(
        self, connection_id: int, listener: Listener, host: str, port: int
    ) -> Flow | None:
        """See Elsewhere."""
        if (connection_id ^ self._flows.origin) >> (WORKER_BITS + 8):
            return None
        worker = connection_id >> WORKER_BITS & 0xFF
        if worker >= self.siblings.count or worker == self.siblings.index:
            return None
        return self._flow(worker, listener, host, port, connection_id)

    def by_address(self, transport: str, host: str, port: int) -> Flow | None:
        """See Elsewhere."""
        worker = self.siblings.streams.owner(stream_key(transport, host, port))
        listener = self._flows.listener_for(transport, host)
        if worker < 0 or listener is None:
            return None
        return self._flow(worker, listener, host, port, 0)

    def note_accepted(self, flow: Flow) -> None:
        """A client has connected to this worker."""
        self.siblings.streams.note(stream_key(flow.transport, flow.host, flow.port))

    def _flow(
        self, worker: int, listener: Listener, host: str, port: int, number: int
    ) -> StreamFlow:
        connection = RemoteConnection(self, worker)
        flow = connection.flow = StreamFlow(listener, host, port, number, connection)
        key = _where(flow)
        known = self._remote.get(key)
        if known is not None and known.is_open:
            return known
        if len(self._remote) >= MOST_REMOTE:
            del self._remote[next(iter(self._remote))]
        self._remote[key] = flow
        return flow

    # -- what siblings say ---------------------------------------------------------

    def _others(self) -> list[int]:
        own = self.siblings.index
        return [each for each in range(self.siblings.count) if each != own]

    def _lost(self, worker: int) -> None:
        """A sibling has died, and every connection with it."""
        for flow in list(self._remote.values()):
            connection = flow.connection
            if isinstance(connection, RemoteConnection) and connection.worker == worker:
                self._forget(flow)
        for waiting, done in list(self._asked.values()):
            waiting.discard(worker)
            if not waiting and not done.done():
                done.set_result(None)

    def _forget(self, flow: StreamFlow) -> None:
        self._remote.pop(_where(flow), None)
        if flow.is_open:
            flow.is_open = False
            key = stream_key(flow.transport, flow.host, flow.port)
            self.siblings.streams.forget(key)
            self._outbox.report(self._receiver.flow_closed, flow, "gone")

    def _take(self, kind: int, sender: int, body: bytes) -> None:
        self._silent.discard(sender)
        if kind in (NEWS, DONE):
            self._take_news(kind, sender, body)
            return
        index, number, port, size = _WHERE.unpack_from(body)
        at = _WHERE.size + size
        text, data = body[_WHERE.size : at].decode(), body[at:]
        listener = self._flows.listeners[index]
        host, _, link = text.partition(_LINK)
        if link.isdigit():
            self._flows.note_link(listener, host, int(link))
        if kind == SEND:
            self._send_for(sender, body[:at], (listener, number, host, port), data)
            return
        if kind == GONE:
            flow = self._remote.get(body[:at])
            if flow is not None:
                self._forget(flow)
            return
        source: Flow
        if listener.transport == "udp":
            source = self._flows.udp(listener, host, port)
        else:
            source = self._flow(sender, listener, host, port, number)
        if kind == MESSAGE:
            self._receiver.datagram(source, data)
        else:
            reason = data[1 : 1 + data[0]].decode()
            self._receiver.datagram_refused(source, data[1 + data[0] :], reason)

    def _take_news(self, kind: int, sender: int, body: bytes) -> None:
        serial = int.from_bytes(body[:4], "big")
        if kind == NEWS:
            self._receiver.news(json.loads(body[4:]))
            if serial:
                self.send_frame(sender, DONE, body[:4])
            return
        asked = self._asked.get(serial)
        if asked is not None:
            waiting, done = asked
            waiting.discard(sender)
            if not waiting and not done.done():
                done.set_result(None)

    def _send_for(
        self,
        sender: int,
        where: bytes,
        to: tuple[Listener, int, str, int],
        data: bytes,
    ) -> None:
        """Send this on a connection of ours for a sibling."""
        listener, number, host, port = to
        if number:
            flow = self._flows.stream_by_id(number)
        else:
            flow = self._flows.stream(listener.transport, host, port)
        # After a restart connections are numbered anew, so the address must agree too.
        if not isinstance(flow, StreamFlow) or (flow.host, flow.port) != (host, port):
            self.send_frame(sender, GONE, where)
            return
        self._users.setdefault(flow.connection_id, set()).add((sender, where))
        self.sent_for_siblings += 1
        flow.connection.send(data)


def _where(flow: Flow, link: int = 0) -> bytes:
    """A flow in the form that siblings understand: listener, connection, port, host.

    The index of a listener means the same to all, for they have one configuration, and
    so does the number of a link, for they are on one machine.
    """
    host = (f"{flow.host}{_LINK}{link}" if link else flow.host).encode()
    listener = flow.listener.shared
    return _WHERE.pack(listener.index, flow.connection_id, flow.port, len(host)) + host
