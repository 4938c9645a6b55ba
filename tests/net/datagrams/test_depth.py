"""How many datagrams a turn reads, and how soon it is told that they are too many."""

import asyncio
from collections import deque

import pytest

from proxy.net.datagrams import depth
from proxy.net.datagrams.backlog import PATIENCE, Pressure
from proxy.net.datagrams.depth import DATAGRAMS_A_TURN, WHOLE_READS, Depth
from tests.support.fake_net import FakeLoop


class Begun:
    """What the sieve is asked for."""

    def __init__(self, waiting):
        self.count = 0

    def begin(self, loop, opened):
        self.count += 1

    def end(self):
        pass


class World:
    """A socket of which a turn takes ``expected`` datagrams, each for some time."""

    def __init__(self, monkeypatch, costs):
        self.loop, self.told, self.costs = FakeLoop(), [], costs
        monkeypatch.setattr(depth, "Sieve", Begun)
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self.loop)
        self.depth = Depth(Pressure(self.told.append, self.loop.time))
        self.arrivals = deque()
        self.read = 0

    def turns(self):
        """Until nothing waits any more, or it is told that we are behind."""
        while self.arrivals and not self.told:
            self.loop.now = max(self.loop.now, self.arrivals[0])
            asked, count = self.depth.expected, 0
            while count < asked and self.arrivals:
                if self.arrivals[0] > self.loop.now:
                    break
                self.arrivals.popleft()
                self.loop.now += self.costs
                count += 1
            self.read += count
            if count < asked:
                self.depth.was_emptied(count)
            else:
                self.depth.was_full(count, None)

    def arrive(self, rate, count, at_once=1):
        """So many datagrams, some at a time, at a steady rate."""
        for number in range(count):
            each = number // at_once * at_once / rate
            self.arrivals.append(self.loop.now + each)


@pytest.mark.parametrize("costs", [0.0005, 0.002])
def test_a_socket_that_is_never_empty_is_told_within_half_a_second(monkeypatch, costs):
    """And one look more: nothing has to be learnt about sizes first."""
    world = World(monkeypatch, costs)
    began = world.loop.now
    world.arrive(2 / costs, 5_000)
    world.turns()
    assert world.told == [True] and world.depth._sieve.count == 0
    look = DATAGRAMS_A_TURN * costs
    begun = WHOLE_READS * 3 * costs
    assert world.loop.now - began <= PATIENCE + look + max(look, begun)


def test_the_kernel_drops_nothing_while_waiting_may_help(monkeypatch):
    world = World(monkeypatch, 0.002)
    world.arrive(1_000, 5_000)
    began, world.told = world.loop.now, []
    while not world.depth._sieve.count:
        world.told.clear()
        world.arrivals.append(world.loop.now)
        world.turns()
    assert world.loop.now - began >= 2 * PATIENCE


@pytest.mark.parametrize("at_once", [2, 7, 60])
@pytest.mark.parametrize("rate", [3, 40, 900])
def test_whatever_comes_together_is_no_overload_while_it_is_served(
    monkeypatch, at_once, rate
):
    """Always as many at once, so that nearly each turn finds what it asks for."""
    world = World(monkeypatch, 0.0005)
    world.arrive(rate, 40 * at_once, at_once)
    world.turns()
    assert world.told == [] and not world.arrivals


def test_a_burst_is_served_and_not_told(monkeypatch):
    world = World(monkeypatch, 0.0005)
    for _ in range(5):
        world.arrive(1_000_000, 900)  # 0.45 s of work
        world.turns()
        world.loop.now += 1.0
    assert world.read == 5 * 900 and world.told == []


def test_it_reads_as_many_at_once_as_there_were(monkeypatch):
    each = World(monkeypatch, 0.0).depth
    assert each.expected == 1
    for _ in range(100):
        each.was_full(each.expected, None)
    assert each.expected == DATAGRAMS_A_TURN
    each.was_emptied(3)
    assert each.expected == 3
    each.was_emptied(0)
    assert each.expected == 1
