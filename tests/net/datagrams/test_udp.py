"""A UDP listener whose kernel takes nothing, or something strange: order and bounds."""

import errno
import socket
import struct

import pytest

from proxy.net.datagrams.backlog import Pressure
from proxy.net.datagrams.udp import QUEUE, UdpListener
from proxy.net.outbox import Outbox
from proxy.sip.flow import Flow, FlowTable, Listener
from tests.support.fake_net import FakeLoop
from tests.support.recorder import Recorder

LISTENER = Listener("udp", "10.0.0.5", 5060)
FLOW = Flow(LISTENER, "10.1.0.9", 40000)


class Kernel:
    """Takes datagrams, or raises what it is told to."""

    def __init__(self):
        self.sent: list[bytes] = []
        self.raises: list[OSError | None] = []

    def sendto(self, data, address):
        error = self.raises.pop(0) if self.raises else None
        if error is not None:
            raise error
        self.sent.append(data)
        return len(data)


class Udp(UdpListener):
    """Without a socket; ``waits`` is whether it wants to know when it can write."""

    waits = False

    def _wait_to_write(self, is_waiting):
        self.waits = is_waiting


@pytest.fixture
def loop():
    return FakeLoop()


@pytest.fixture
def sink():
    return Recorder()


@pytest.fixture
def kernel():
    return Kernel()


@pytest.fixture
def udp(loop, sink, kernel):
    flows, pressure = FlowTable([LISTENER]), Pressure(sink.overloaded)
    made = Udp(LISTENER, flows, sink, Outbox(loop), pressure)
    made._sendto = kernel.sendto
    return made


def test_what_the_kernel_does_not_take_now_leaves_later_in_order(udp, kernel):
    kernel.raises = [BlockingIOError()]
    for number in range(3):
        udp.send(FLOW, b"%d" % number)
    assert kernel.sent == [] and udp.waits
    kernel.raises = [None, BlockingIOError()]
    udp._writable()
    assert kernel.sent == [b"0"] and udp.waits
    udp._writable()
    assert kernel.sent == [b"0", b"1", b"2"] and not udp.waits
    udp.send(FLOW, b"3")
    assert kernel.sent[-1] == b"3"


def test_the_queue_has_an_end_and_what_is_dropped_is_counted(udp, kernel):
    kernel.raises = [BlockingIOError()]
    for _ in range(QUEUE + 5):
        udp.send(FLOW, b"x")
    assert udp.datagrams_dropped == 5
    udp._writable()
    assert len(kernel.sent) == QUEUE


def test_an_error_about_another_datagram_does_not_cost_this_one(
    udp, kernel, loop, sink
):
    kernel.raises = [OSError(errno.ECONNREFUSED, "told of an earlier one")]
    udp.send(FLOW, b"x")
    loop.turn()
    assert kernel.sent == [b"x"]
    assert sink.of("datagram_refused") == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, "refused"),
        (errno.EHOSTUNREACH, "unreachable"),
        (errno.EMSGSIZE, "too-large"),
        (errno.EPERM, "not-permitted"),
        (errno.EIO, "error"),
    ],
)
def test_an_error_that_stays_is_told_on_the_next_turn(
    udp, kernel, loop, sink, number, reason
):
    kernel.raises = [OSError(number, ""), OSError(number, "")]
    udp.send(FLOW, b"x")
    assert sink.calls == []
    loop.turn()
    assert sink.of("datagram_refused") == [(FLOW, b"x", reason)]
    assert udp.datagrams_refused == 1


class Bombarded:
    """A socket that tells of an ICMP error with each read, as many as there are."""

    def __init__(self, number: int, count: int):
        self.number, self.count, self.queued = number, count, 0
        self.messages = [(b"OPTIONS sip:a SIP/2.0\r\n", ("10.1.0.9", 40000))]

    def recvfrom(self, size):
        if self.count:
            self.count, self.queued = self.count - 1, 1
            raise OSError(self.number, "about a datagram of before")
        if not self.messages:
            raise BlockingIOError
        return self.messages.pop()

    def recvmsg(self, *arguments):
        """The error queue (ip(7), IP_RECVERR): of ICMP, "port unreachable"."""
        if not self.queued:
            raise BlockingIOError
        self.queued = 0
        told = struct.pack("=IBBBxII", self.number, 2, 3, 3, 0, 0)
        return b"x", [(socket.IPPROTO_IP, 11, told)], 0, ("10.1.0.9", 40000)


def test_many_errors_about_other_datagrams_do_not_stop_the_listener(udp, loop, sink):
    """Whoever sends from ports that he closes makes as many as he likes."""
    udp._socket, udp._loop = Bombarded(errno.ECONNREFUSED, 100), loop
    for _ in range(100):
        udp._readable()
    assert udp._resumed is None and not udp._pause
    assert udp.datagrams_received == 1 and len(sink.of("datagram")) == 1
    assert len(sink.of("datagram_refused")) == 100
