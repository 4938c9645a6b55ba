"""What the kernel lets through while a datagram socket is behind, on real sockets."""

import asyncio
import socket

import pytest

from proxy.net.datagrams.backlog import PATIENCE, Backlog, Pressure
from proxy.net.datagrams.sieve import LEAST, TURN, Sieve, let_through, next_share
from tests.support.fake_net import FakeLoop

BEGUN = (
    *(b"SIP/2.0 200 OK", b"ACK sip:a", b"BYE sip:a", b"CANCEL sip:a", b"INFO sip:a"),
    *(b"NOTIFY sip:a", b"BENOTIFY sip:a", b"UPDATE sip:a", b"PRACK sip:a"),
)
KEEP_ALIVES = b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"
STUN = b"\0\1\0\0" + b"\x21\x12\xa4\x42" + bytes(12)
NEW = (
    b"INVITE sip:a",
    b"REGISTER sip:a",
    b"SUBSCRIBE sip:a",
    b"OPTIONS sip:a",
    b"?" * 20,
)
COUNT = 400


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request):
    """A socket that reads, and one that sends to it."""
    host = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as reads,
        socket.socket(family, socket.SOCK_DGRAM) as sends,
    ):
        reads.bind((host, 0))
        reads.setblocking(False)
        sends.connect(reads.getsockname())
        yield reads, sends


def arrived(pair, data: bytes) -> int:
    """How many of ``COUNT`` such datagrams come through."""
    reads, sends = pair
    count = 0
    for _ in range(COUNT):
        sends.send(data)
        try:
            reads.recv(100)
        except BlockingIOError:
            continue
        count += 1
    return count


@pytest.mark.parametrize("data", [*BEGUN, *KEEP_ALIVES, STUN])
def test_what_has_begun_and_keep_alives_pass(pair, data):
    assert let_through(pair[0], LEAST)
    assert arrived(pair, data) == COUNT


@pytest.mark.parametrize("data", NEW)
def test_of_the_rest_a_share_passes(pair, data):
    assert let_through(pair[0], 0.5)
    assert COUNT * 0.3 < arrived(pair, data) < COUNT * 0.7  # eight sigma
    assert let_through(pair[0], LEAST)
    assert arrived(pair, data) < COUNT * 0.15
    assert let_through(pair[0], 1.0)
    assert arrived(pair, data) == COUNT


def test_the_share_halves_and_grows_and_has_both_ends():
    assert next_share(1.0, False) == 0.5
    assert next_share(LEAST, False) == LEAST
    assert next_share(0.5, True) == 0.75
    assert next_share(0.9, True) == 1.0


class TimedLoop(FakeLoop):
    """Keeps what is to be called later; ``pass_on`` lets a turn go by."""

    def __init__(self):
        super().__init__()
        self.later = None

    def call_later(self, seconds, callback):
        assert seconds == TURN and self.later is None
        self.later = callback
        return asyncio.TimerHandle(self.now + seconds, callback, (), self)

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, handle):
        self.later = None

    def pass_on(self):
        self.now += TURN
        callback, self.later = self.later, None
        callback()


def test_a_socket_that_is_behind_lets_less_in_until_it_is_emptied(pair):
    loop, told = TimedLoop(), []
    waiting = Backlog(Pressure(told.append, loop.time))
    sieve = Sieve(waiting)
    waiting.waits(True)
    loop.now += PATIENCE
    waiting.waits(True)
    assert waiting.is_behind
    for share in (0.5, 0.25, 0.125):
        if share == 0.5:
            sieve.begin(loop, pair[0])
            sieve.begin(loop, pair[0])  # told again: nothing else happens
        else:
            waiting.waits(True)
            loop.pass_on()
        assert sieve.share == share
    assert arrived(pair, NEW[0]) < COUNT / 2
    waiting.emptied()
    grown = []
    while loop.later:
        loop.pass_on()
        grown.append(sieve.share)
    assert grown == sorted(grown) and grown[-1] == 1.0 and len(grown) == 6
    assert arrived(pair, NEW[0]) == COUNT
    assert told == [True, False]


def test_when_nothing_comes_any_more_it_opens_by_itself(pair):
    loop = TimedLoop()
    waiting = Backlog(Pressure(lambda is_behind: None, loop.time))
    waiting.waits(True)
    loop.now += PATIENCE
    waiting.waits(True)  # and this read was the last that there was
    sieve = Sieve(waiting)
    sieve.begin(loop, pair[0])
    for _ in range(60):
        if loop.later:
            loop.pass_on()
    assert sieve.share == 1.0 and not waiting.is_behind
    assert arrived(pair, NEW[0]) == COUNT


def test_a_socket_that_is_given_up_ends_it(pair):
    loop = TimedLoop()
    waiting = Backlog(Pressure(lambda is_behind: None))
    sieve = Sieve(waiting)
    sieve.begin(loop, pair[0])
    sieve.end()
    assert loop.later is None and sieve.share == 1.0
    sieve.end()


def test_where_the_kernel_takes_no_filter_all_passes(pair):
    reads, _ = pair
    closed = socket.socket(reads.family, socket.SOCK_DGRAM)
    closed.close()
    loop = TimedLoop()
    sieve = Sieve(Backlog(Pressure(lambda is_behind: None)))
    sieve.begin(loop, closed)
    assert sieve.share == 1.0 and loop.later is None
