"""UDP: one socket per listener, drained without asyncio's datagram endpoint.

The socket is read until it is empty, but at most 64 datagrams a turn, so that streams
and timers get their turns.  The kernel's error queue is switched on (decision 29): when
ICMP says "port unreachable", we get back the datagram that it is about, and the request
moves on to the next front end at once instead of after a timer.
"""

import asyncio
import contextlib
import errno
import socket
from collections import deque
from typing import Any, Final

import structlog

from proxy.net.bound_socket import open_socket
from proxy.net.datagrams.aside import Aside
from proxy.net.datagrams.backlog import Pressure
from proxy.net.datagrams.depth import DATAGRAMS_A_TURN, Depth
from proxy.net.datagrams.kernel_socket import (
    MSG_ERRQUEUE,
    REASONS,
    drops,
    icmp_error,
    tune,
)
from proxy.net.datagrams.links import Links
from proxy.net.datagrams.steady import SteadyPeers
from proxy.net.errors import NetError
from proxy.net.event_loop import DirectEventLoop
from proxy.net.outbox import Outbox
from proxy.net.sink import Sink
from proxy.net.wait import Wait
from proxy.sip.flow import Flow, FlowTable, Listener
from proxy.sip.grammar import CR
from proxy.sip.stun import binding_answer, is_stun

log = structlog.get_logger()

_ERRORS_A_TURN: Final = 16  # so many in a row mean that the socket itself has failed
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0
_REOPEN_AFTER: Final = 0.5  # after a longer pause the socket is opened anew
QUEUE: Final = 1_000  # datagrams kept while the kernel takes no more ...
QUEUED_BYTES: Final = 4 * 1024 * 1024  # ... and what they may come to
_ALL_ADDRESSES: Final = ("0.0.0.0", "::")


class UdpListener:
    """One UDP address of ours: reads, sends, and reports what ICMP gave back."""

    __slots__ = (
        "_aside",
        "_depth",
        "_direct",
        "_flows",
        "_is_own",
        "_is_writer",
        "_links",
        "_loop",
        "_outbox",
        "_pause",
        "_queue",
        "_queued",
        "_resumed",
        "_sendto",
        "_sink",
        "_socket",
        "_steady",
        "datagrams_dropped",
        "datagrams_received",
        "datagrams_refused",
        "keepalives",
        "listener",
    )

    def __init__(
        self,
        listener: Listener,
        flows: FlowTable,
        sink: Sink,
        outbox: Outbox,
        pressure: Pressure,
    ) -> None:
        self.listener = listener
        self._depth = Depth(pressure)
        self._flows = flows
        self._links = Links(listener, flows)
        self._sink = sink
        self._outbox = outbox
        self._aside = Aside(sink, outbox)
        self._queue: deque[tuple[Flow, bytes]] = deque()
        self._queued = 0
        self._is_writer = False
        self._is_own = False
        self._pause = 0.0  # of a socket that cannot be read
        self._resumed: asyncio.TimerHandle | None = None
        self._direct: Wait | None = None
        self._steady: SteadyPeers | None = None
        self.datagrams_received = 0
        self.datagrams_refused = 0  # told by ICMP, or by the kernel when sending
        self.datagrams_dropped = 0  # the send queue was full
        self.keepalives = 0

    def open(
        self, opened: socket.socket | None = None, *, reuse_port: bool = False
    ) -> None:
        """Bind (or take over an open socket) and start to read.

        Port 0 is replaced by the one that the kernel chose.  Raises NetError.
        """
        self._loop = asyncio.get_running_loop()
        self._is_own = opened is None and not reuse_port
        listener = self.listener
        self._take(
            opened
            or open_socket("udp", listener.host, listener.port, reuse_port=reuse_port)
        )
        self.listener.bound_to(self._socket.getsockname()[1])
        if isinstance(self._loop, DirectEventLoop):
            self._direct = self._loop.wait
            # Not for a socket that other processes read as well.  Nor for one bound to
            # all addresses: connecting would fix its peer's socket to one of them.
            if self._is_own and listener.host not in _ALL_ADDRESSES:
                self._steady = SteadyPeers(
                    *(self._sink.datagram, self._heard, self._read_errors),
                    *(self._begin, self._finish),
                )
        self._serve()

    @property
    def unread(self) -> int:
        """Datagrams that the kernel dropped before we could read them."""
        steady = self._steady
        return drops(self._socket) + (0 if steady is None else steady.unread())

    def close(self) -> None:
        """Stop, and drop what is queued; closing twice is allowed."""
        if self._socket.fileno() < 0:
            return
        if self._resumed is not None:
            self._resumed.cancel()
            self._resumed = None
        else:
            self._stop_serving()
        self._queue.clear()
        self._queued = 0
        self._aside.clear()
        self._depth.end()
        self._socket.close()

    def _take(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        tune(opened)
        self._socket = opened
        self._sendto = self._links.sender(opened)

    def _serve(self) -> None:
        """Read, and write if something waits."""
        descriptor = self._socket.fileno()
        if self._direct is not None:
            self._direct.serve(descriptor, self._readable, self._writable)
            if self._is_writer:
                self._direct.change(descriptor, True, True)
            if self._steady is not None:
                self._steady.serve(self._direct, self._socket)
        else:
            self._loop.add_reader(descriptor, self._readable)
            if self._is_writer:
                self._loop.add_writer(descriptor, self._writable)

    def _stop_serving(self) -> None:
        if self._steady is not None:
            self._steady.close()
        descriptor = self._socket.fileno()
        if self._direct is not None:
            try:
                self._direct.forget(descriptor)
            except OSError:
                return  # closed under us: epoll has forgotten it by itself
        else:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    def send(self, flow: Flow, data: bytes) -> None:
        """Send one datagram; failures are reported to the sink later."""
        if self._queue:
            self._enqueue(flow, data)
            return
        if self._steady is not None and self._steady.send(flow, data):
            return
        try:
            self._sendto(data, (flow.host, flow.port))
        except OSError as error:
            self._send_failed(flow, data, error)

    # -- reading ---------------------------------------------------------------------

    def _readable(self) -> None:
        # The busiest function of the program, so names are local, and the look-up in
        # the flow table stands here instead of a call.
        listener, links, outbox = self.listener, self._links, self._outbox
        index, known = listener.index, self._flows.udp_flows
        recvfrom, deliver = self._socket.recvfrom, self._sink.datagram
        aside, depth = self._aside, self._depth
        most = depth.expected
        received = errors = 0
        outbox.is_batch = True
        try:
            while received < most:
                try:
                    data, address = recvfrom(65_535)
                except BlockingIOError:
                    depth.was_emptied(received)
                    break
                except OSError as error:
                    # Not about this read: an ICMP error was pending.  Peers can cause
                    # any number of them, so stop after some; epoll wakes us again.
                    is_told = self._read_errors(self._socket)
                    errors += 1
                    if errors < _ERRORS_A_TURN:
                        continue
                    if not is_told:
                        self._cannot_read(error)
                    break
                received += 1
                host, port = address[0], address[1]
                if data and data[0] > CR:
                    flow = known.get((index, host, port)) or links.met(address)
                    if not aside.takes(flow, data):
                        deliver(flow, data)
                    elif most < DATAGRAMS_A_TURN:
                        most += 1  # look behind it
                else:
                    self._heard(data, address)
            else:
                depth.was_full(received, self._socket)
            if not received:
                # Woken and nothing to read: a send has taken a pending error.
                self._read_errors(self._socket)
        finally:
            self.datagrams_received += received
            if self._pause and self._resumed is None:
                self._pause = 0.0
                log.info("listener.back", listener=repr(listener))
            outbox.end()

    def _begin(self) -> None:  # for a peer that has a socket of its own
        self._outbox.is_batch = True

    def _finish(self) -> None:
        if self._steady is not None:
            self.datagrams_received += self._steady.received
            self._steady.received = 0
        self._outbox.end()

    def _heard(self, data: bytes, address: tuple[Any, ...]) -> None:
        """A keep-alive, or a message behind empty lines (RFC 3261 section 7.5)."""
        host, port = address[0], address[1]
        if is_stun(data):
            # RFC 5626 section 4.4.2: the client asks again when an answer is lost.
            answer = binding_answer(data, host, port)
            if answer is not None:
                self.keepalives += 1
                if not self._queue:
                    with contextlib.suppress(OSError):
                        self._socket.sendto(answer, address)
            return
        data = data.lstrip(b"\r\n\0")
        if data:
            flow = self._links.met(address)
            if not self._aside.takes(flow, data):
                self._sink.datagram(flow, data)
        else:
            self.keepalives += 1

    def _read_errors(self, opened: socket.socket) -> bool:
        """Empty the error queue, which keeps the socket readable as long as it is not
        empty; returns whether there was anything in it."""
        for count in range(DATAGRAMS_A_TURN):
            try:
                data, ancillary, _, address = opened.recvmsg(65_535, 512, MSG_ERRQUEUE)
            except OSError:
                return count > 0
            number = icmp_error(ancillary)
            # "Fragmentation needed" is for the kernel, which then sends the
            # retransmission in fragments.
            if number and number != errno.EMSGSIZE:
                self.datagrams_refused += 1
                flow = self._flows.udp(self.listener, address[0], address[1])
                reason = REASONS.get(number, "unreachable")
                self._sink.datagram_refused(flow, data, reason)
        return True

    def _cannot_read(self, error: OSError) -> None:
        """The socket is readable but cannot be read: leave it for a pause, a longer one
        each time.  Otherwise it would keep the event loop busy with nothing else."""
        if not self._pause:
            log.error(
                "listener.failed", listener=repr(self.listener), reason=str(error)
            )
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._stop_serving()
        self._resumed = self._loop.call_later(self._pause, self._resume)

    def _resume(self) -> None:
        self._resumed = None
        # A socket that was handed to us is held by another process too: closing ours
        # would not free its address.
        if self._is_own and self._pause > _REOPEN_AFTER:
            self._socket.close()
            try:
                self._take(open_socket("udp", self.listener.host, self.listener.port))
            except NetError:
                self._resumed = self._loop.call_later(_LONGEST_PAUSE, self._resume)
                return
        try:
            self._serve()
        except OSError as error:  # the descriptor itself is gone
            self._resumed = self._loop.call_later(_LONGEST_PAUSE, self._resume)
            self._pause = _LONGEST_PAUSE
            log.warning(
                "listener.failed", listener=repr(self.listener), reason=str(error)
            )

    # -- sending ---------------------------------------------------------------------

    def _send_failed(self, flow: Flow, data: bytes, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            self._enqueue(flow, data)
            return
        # With the error queue on, any call on the socket may raise what ICMP said about
        # an earlier datagram to another address.  Raising it cleared it.
        try:
            self._sendto(data, (flow.host, flow.port))
        except BlockingIOError:
            self._enqueue(flow, data)
        except OSError as second:
            self.datagrams_refused += 1
            reason = REASONS.get(second.errno or 0, "error")
            self._outbox.report(self._sink.datagram_refused, flow, data, reason)

    def _enqueue(self, flow: Flow, data: bytes) -> None:
        if len(self._queue) >= QUEUE or self._queued > QUEUED_BYTES:
            self.datagrams_dropped += 1
            return
        self._queue.append((flow, data))
        self._queued += len(data)
        if not self._is_writer:
            self._is_writer = True
            self._wait_to_write(True)

    def _writable(self) -> None:
        waiting, self._queue = self._queue, deque()
        self._queued = 0
        while waiting:
            flow, data = waiting.popleft()
            self.send(flow, data)
            if self._queue:  # refused again: keep the order
                self._queue.extend(waiting)
                self._queued += sum(len(each) for _, each in waiting)
                return
        self._is_writer = False
        self._wait_to_write(False)

    def _wait_to_write(self, is_waiting: bool) -> None:
        if self._resumed is not None:
            return  # not served now
        descriptor = self._socket.fileno()
        if self._direct is not None:
            self._direct.change(descriptor, True, is_waiting)
        elif is_waiting:
            self._loop.add_writer(descriptor, self._writable)
        else:
            self._loop.remove_writer(descriptor)
