"""Connected UDP sockets for the peers that we send to all the time (decision 125).

On a socket that is connected to its peer (udp(7)) the kernel sends without looking up a
route, and Python neither reads an address nor makes one for the sender.  That saves a
quarter of what a datagram costs in the kernel and the socket module.  The socket is
bound to the address of its listener, so nothing changes on the wire.  The kernel gives
it the datagrams of its peer; all others go to the listener.  At the first error the
socket is closed, and the listener serves this peer again.

mypyc compiles this module together with the listener.
"""

import socket
from collections.abc import Callable
from typing import Any, Final

from proxy.net.datagrams.kernel_socket import drops, tune
from proxy.net.wait import Wait
from proxy.sip.flow import Flow
from proxy.sip.grammar import CR

MOST: Final = 16
"""Peers of one listener that have a socket at a time: front ends are few."""
_SAMPLE: Final = 64
"""One of this many datagrams is a sample, and its peer is counted."""
_OFTEN: Final = 4
"""Samples that make a peer one in steady use: it has had some 256 datagrams then."""
_AGAIN: Final = -60
"""Where the count of a peer begins again after an error on its socket: it then gets
another socket after some 4,000 datagrams."""
_KNOWN: Final = 64
"""Peers that are counted at a time."""
_YOUNG: Final = 16
"""First reads of a socket that ask for the sender: between bind and connect the kernel
may have given it the datagrams of anybody."""
_A_TURN: Final = 64
"""Datagrams that one turn may read, so that other sockets get theirs."""

_WHOLE_READS: Final = 8
"""Batches in a row that were full before a larger one is expected."""


class SteadyPeer:
    """One connected socket; ``flow`` is the flow of its peer."""

    __slots__ = (
        "_age",
        "_expected",
        "_owner",
        "_recv",
        "_send",
        "_whole_reads",
        "flow",
        "opened",
    )

    def __init__(self, owner: "SteadyPeers", flow: Flow, opened: socket.socket) -> None:
        self.flow = flow
        self.opened = opened
        self._owner = owner
        self._age = 0
        self._expected = 1
        self._whole_reads = 0
        self._send: Callable[[bytes], int] = opened.send
        self._recv: Callable[[int], bytes] = opened.recv

    def send(self, data: bytes) -> bool:
        """Send one datagram; False when the listener has to send it.

        The error that a send raises is about an earlier datagram.  It also makes the
        socket readable, so ``readable`` sees to it.
        """
        try:
            self._send(data)
        except OSError:
            return False
        return True

    def readable(self) -> None:
        """Take what has come; a wake-up without a datagram means an error."""
        owner = self._owner
        owner.begin()
        try:
            if not self.read(self._expected):
                owner.end(self)
        finally:
            owner.finish()

    def read(self, most: int) -> int:
        """Read up to ``most`` datagrams; returns how many came, 0 on an error."""
        received = 0
        owner, flow, recv = self._owner, self.flow, self._recv
        try:
            while received < most:
                if self._age < _YOUNG:
                    self._age += 1
                    data, address = self.opened.recvfrom(65_535)
                    received += 1
                    owner.heard(data, address)
                    continue
                data = recv(65_535)
                received += 1
                if data and data[0] > CR:
                    owner.deliver(flow, data)
                else:
                    owner.heard(data, (flow.host, flow.port))
        except BlockingIOError:
            # To read an empty socket raises, and costs as much as a message.  So expect
            # as many as came this time.
            self._expected = max(received, 1)
            self._whole_reads = 0
        except OSError:
            received = 0
        else:
            self._whole_reads += 1
            if self._whole_reads >= _WHOLE_READS:
                self._whole_reads = 0
                self._expected = min(2 * self._expected, _A_TURN)
        owner.received += received
        return received


class SteadyPeers:
    """The connected sockets of one listener.

    ``deliver`` takes a message of a flow, ``heard`` any datagram with its address.
    ``errors`` reads the error queue of a socket.  ``begin`` and ``finish`` are called
    before and after each batch.
    """

    __slots__ = (
        "_address",
        "_errors",
        "_listening",
        "_lost",
        "_peers",
        "_samples",
        "_sends",
        "_wait",
        "begin",
        "deliver",
        "finish",
        "heard",
        "received",
    )

    def __init__(
        self,
        deliver: Callable[[Flow, bytes], None],
        heard: Callable[[bytes, tuple[Any, ...]], None],
        errors: Callable[[socket.socket], bool],
        begin: Callable[[], None],
        finish: Callable[[], None],
    ) -> None:
        self.deliver = deliver
        self.heard = heard
        self.begin = begin
        self.finish = finish
        self._errors = errors
        self._wait: Wait | None = None
        self._listening: socket.socket | None = None
        self._address = ("", 0)
        self._peers: dict[Flow, SteadyPeer] = {}
        self._samples: dict[Flow, int] = {}
        self._sends = 0
        self._lost = 0  # datagrams that the kernel dropped at sockets closed since
        self.received = 0

    def __len__(self) -> int:
        return len(self._peers)

    def serve(self, wait: Wait, listening: socket.socket) -> None:
        """Begin to count peers; ``listening`` is bound to one address of ours."""
        self._wait, self._listening = wait, listening
        found = listening.getsockname()
        self._address = found[0], found[1]

    def unread(self) -> int:
        """Datagrams that the kernel dropped before they could be read."""
        return self._lost + sum(drops(x.opened) for x in self._peers.values())

    def send(self, flow: Flow, data: bytes) -> bool:
        """Send over the socket of this peer; False when the listener has to send."""
        peer = self._peers.get(flow)
        if peer is not None:
            return peer.send(data)
        self._sends += 1
        if self._sends % _SAMPLE == 0 and self._wait is not None:
            self._sample(flow)
        return False

    def close(self) -> None:
        """Close all of them."""
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._samples.clear()
        self._wait = self._listening = None

    def end(self, peer: SteadyPeer) -> None:
        """An error has come: report it, and leave the peer to the listener."""
        if self._peers.get(peer.flow) is peer:
            self._errors(peer.opened)
            peer.read(_A_TURN)  # the datagrams that wait behind the error
            self._drop(peer)
            self._samples[peer.flow] = _AGAIN

    def _drop(self, peer: SteadyPeer) -> None:
        del self._peers[peer.flow]
        wait = self._wait
        if wait is not None:
            wait.forget(peer.opened.fileno())
        self._lost += drops(peer.opened)
        peer.opened.close()

    def _sample(self, flow: Flow) -> None:
        # Only a peer that has answered us gets one: a stranger's address may be forged.
        if not flow.is_proven or len(self._peers) >= MOST:
            return
        count = self._samples.get(flow, 0) + 1
        if count < _OFTEN:
            if len(self._samples) >= _KNOWN:
                self._samples.clear()
            self._samples[flow] = count
            return
        self._samples.pop(flow, None)
        for peer in self._peers.values():
            if peer.flow.host == flow.host and peer.flow.port == flow.port:
                # The flow table had dropped the flow of this peer and made a new one.
                self._peers[flow] = self._peers.pop(peer.flow)
                peer.flow = flow
                return
        self._open(flow)

    def _open(self, flow: Flow) -> None:
        listening, wait = self._listening, self._wait
        if listening is None or wait is None:
            return
        opened = socket.socket(listening.family, socket.SOCK_DGRAM)
        try:
            tune(opened)
            opened.setblocking(False)
            # Two sockets share an address only while both have SO_REUSEADDR.  Take it
            # back at once: as long as it is set, any program of this machine could bind
            # our address.
            _share(listening, 1)
            _share(opened, 1)
            try:
                opened.bind(self._address)
            finally:
                _share(listening, 0)
                _share(opened, 0)
            opened.connect((flow.host, flow.port))
            peer = SteadyPeer(self, flow, opened)
            wait.serve(opened.fileno(), peer.readable)
        except OSError:
            opened.close()
            self._samples[flow] = _AGAIN
            return
        self._peers[flow] = peer


def _share(opened: socket.socket, flag: int) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, flag)
