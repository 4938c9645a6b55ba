"""When a socket has been full for too long, and when it has caught up."""

import pytest

from proxy.net.datagrams.backlog import PATIENCE, Backlog, Pressure


class Clock(list):
    """The time as its one element, which a test moves."""

    def __call__(self):
        return self[0]


@pytest.fixture
def clock():
    return Clock([100.0])


def test_full_for_long_enough_is_told_once(clock):
    told = []
    each = Backlog(Pressure(told.append, clock))
    each.waits(True)
    clock[0] += PATIENCE - 0.01
    each.waits(True)
    assert told == []
    clock[0] += 0.02
    each.waits(True)
    each.waits(True)
    assert told == [True]
    each.emptied()
    each.emptied()
    assert told == [True, False]


def test_a_burst_that_is_served_is_not_told(clock):
    told = []
    each = Backlog(Pressure(told.append, clock))
    for _ in range(10):
        each.waits(True)
        clock[0] += PATIENCE * 0.9
        each.emptied()
    assert told == []


def test_a_few_at_a_time_are_not_told_however_long(clock):
    told = []
    each = Backlog(Pressure(told.append, clock))
    assert [each.waits(False)] == [False]
    clock[0] += 10 * PATIENCE
    assert each.waits(False) and told == []
    assert each.waits(True) and told == [True]


def test_it_is_stuck_when_it_stays_behind_for_as_long_again(clock):
    each = Backlog(Pressure(lambda is_behind: None, clock))
    found = []
    for _ in range(5):
        each.waits(True)
        found.append((each.is_behind, each.is_stuck))
        clock[0] += PATIENCE * 0.6
    assert found == [*[(False, False)] * 2, *[(True, False)] * 2, (True, True)]
    each.emptied()
    assert not each.is_stuck


def test_full_in_a_turn_means_a_full_read_in_it(clock):
    each = Backlog(Pressure(lambda is_behind: None, clock))
    each.waits(False)
    clock[0] += 0.1
    assert not each.is_full(clock[0])
    each.waits(False)
    assert each.is_full(clock[0]) and not each.is_full(clock[0] - 0.2)


def test_several_behind_are_told_as_one(clock):
    told = []
    pressure = Pressure(told.append, clock)
    both = [Backlog(pressure), Backlog(pressure)]
    for each in both:
        each.waits(True)
    clock[0] += PATIENCE
    for each in both:
        each.waits(True)
    both[0].emptied()
    assert told == [True]
    both[1].emptied()
    assert told == [True, False]
