"""Noisy sources wait for all others, lose nothing, and keep their order."""

from collections import deque

import pytest

from proxy.net.datagrams import aside
from proxy.net.datagrams.aside import A_TURN, ROOM, ROOM_BYTES, Aside
from proxy.net.datagrams.backlog import Pressure
from proxy.net.datagrams.udp import UdpListener
from proxy.net.outbox import Outbox
from proxy.sip.flow import FlowTable, Listener
from proxy.transaction.budget import GARBLED_AT_ONCE, NOISY, Budget
from tests.support.fake_net import FakeLoop
from tests.support.recorder import Recorder

LISTENER = Listener("udp", "10.0.0.5", 5060)
BAD, GOOD = ("10.1.0.66", 40_000), ("10.1.0.9", 5060)


class Opened:
    """A socket; ``waiting`` is what can be read of it."""

    def __init__(self):
        self.waiting = deque()

    def recvfrom(self, size):
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.popleft()

    def recvmsg(self, *_):
        raise BlockingIOError


class World:
    """A listener whose core cannot read what says "garbled"."""

    def __init__(self, monkeypatch):
        self.loop, self.sink, self.budget = FakeLoop(), Recorder(), Budget()
        monkeypatch.setattr(aside, "_monotonic", self.loop.time)
        self.flows = FlowTable([LISTENER])
        self.flows.account_of = self.budget.account
        self.outbox = Outbox(self.loop)
        pressure = Pressure(self.sink.overloaded)
        self.udp = UdpListener(LISTENER, self.flows, self.sink, self.outbox, pressure)
        self.udp._socket = self.opened = Opened()
        self.sink.on_message = self.hear
        self.taken = []

    def hear(self, flow, data):
        self.taken.append((flow.host, data))
        if b"garbled" in data and not flow.is_proven:
            self.budget.may_garble(flow, self.loop.now)

    def flood(self, count, address=BAD, data=b"garbled"):
        """So many, read in as many turns as that takes."""
        self.opened.waiting.extend([(data, address)] * count)
        self.read()

    def read(self):
        while self.opened.waiting:
            self.udp._readable()

    def of(self, address):
        return [data for host, data in self.taken if host == address[0]]


@pytest.fixture
def world(monkeypatch):
    made = World(monkeypatch)
    made.flood(GARBLED_AT_ONCE + 1)  # from now on it is noisy
    made.taken.clear()
    return made


def test_a_good_message_overtakes_what_a_noisy_source_has_sent(world):
    world.flood(50)
    world.flood(1, GOOD, b"INVITE")
    assert world.taken == [(GOOD[0], b"INVITE")]
    world.loop.turn()
    assert world.of(BAD) == [b"garbled"] * 50


def test_one_turn_looks_behind_what_it_puts_aside(world):
    world.opened.waiting.extend([(b"garbled", BAD)] * 40 + [(b"INVITE", GOOD)] * 2)
    world.udp._depth.expected = 1
    world.udp._readable()
    assert world.taken == [(GOOD[0], b"INVITE")]


def test_between_two_looks_at_all_sockets_a_few_are_taken(world):
    world.flood(50)
    callback, arguments = world.loop._soon.popleft()
    assert not world.loop._soon
    callback(*arguments)
    assert len(world.taken) == A_TURN and len(world.loop._soon) == 1
    world.flood(1, GOOD, b"INVITE")
    assert world.taken[-1] == (GOOD[0], b"INVITE")


def test_another_port_of_it_waits_as_well(world):
    world.flood(1, (BAD[0], 40_001))
    world.flood(1, BAD, b"\r\n\r\ngarbled")  # read another way
    assert world.taken == []
    world.loop.turn()
    assert world.of(BAD) == [b"garbled"] * 2


def test_a_good_caller_behind_such_an_address_is_served_in_order(world):
    good = BAD[0], 5062
    for number in range(100):
        world.flood(9)
        world.flood(1, good, b"%d" % number)
        if number == 50:
            world.loop.turn()
            world.loop.now += 0.5
    world.loop.turn()
    heard = [data for data in world.of(BAD) if data != b"garbled"]
    assert heard == [b"%d" % number for number in range(100)]
    assert len(world.taken) == 1_000


def test_what_waits_is_not_overtaken_when_the_noise_has_ended(world):
    world.flood(3)
    world.loop.now += NOISY + 1
    world.flood(1, BAD, b"good")
    assert world.taken == []
    world.loop.turn()
    assert world.of(BAD) == [*[b"garbled"] * 3, b"good"]
    world.loop.now += NOISY + 1
    world.flood(1, BAD, b"good")  # nothing waits, and it has been quiet
    assert world.of(BAD)[-2:] == [b"good", b"good"]


def test_who_is_proven_never_waits(world):
    friend = BAD[0], 5062
    world.flows.udp(LISTENER, *friend).is_proven = True
    world.flood(1, friend, b"INVITE")
    assert world.taken == [(BAD[0], b"INVITE")]


@pytest.mark.parametrize("size", [100, 60_000])
def test_what_waits_has_a_limit_and_beyond_it_the_oldest_is_taken(world, size):
    world.flood(4 * ROOM, data=b"garbled".ljust(size))
    held = 4 * ROOM - len(world.taken)
    assert held == min(ROOM, ROOM_BYTES // size) == len(world.udp._aside)
    world.loop.turn()
    assert len(world.taken) == 4 * ROOM and world.udp._aside._held == 0
    assert world.udp._aside._counts == {}


def test_a_message_that_raises_keeps_none_of_the_others_waiting(world):
    def hear(flow, data):
        world.taken.append((flow.host, data))
        if len(world.taken) == 3:
            raise RuntimeError("a bug")

    world.sink.on_message = hear
    world.flood(50)
    with pytest.raises(RuntimeError):
        world.loop.turn()
    world.loop.turn()
    assert len(world.taken) == 50


def test_a_listener_that_is_closed_forgets_what_waits(world):
    world.flood(50)
    world.udp._aside.clear()
    world.loop.turn()
    assert world.taken == [] and len(Aside(world.sink, world.outbox)) == 0
