"""When a socket has been full for too long, and when it has caught up."""

import pytest

from proxy.net.datagrams import backlog
from proxy.net.datagrams.backlog import PATIENCE, Backlog, Pressure


@pytest.fixture
def clock(monkeypatch):
    """The time of the module; a list of one."""
    now = [100.0]
    monkeypatch.setattr(backlog, "_monotonic", lambda: now[0])
    return now


def test_full_for_long_enough_is_told_once(clock):
    told = []
    each = Backlog(Pressure(told.append))
    each.waits()
    clock[0] += PATIENCE - 0.01
    each.waits()
    assert told == []
    clock[0] += 0.02
    each.waits()
    each.waits()
    assert told == [True]
    each.emptied()
    each.emptied()
    assert told == [True, False]


def test_a_burst_that_is_served_is_not_told(clock):
    told = []
    each = Backlog(Pressure(told.append))
    for _ in range(10):
        each.waits()
        clock[0] += PATIENCE * 0.9
        each.emptied()
    assert told == []


def test_several_behind_are_told_as_one(clock):
    told = []
    pressure = Pressure(told.append)
    both = [Backlog(pressure), Backlog(pressure)]
    for each in both:
        each.waits()
    clock[0] += PATIENCE
    for each in both:
        each.waits()
    both[0].emptied()
    assert told == [True]
    both[1].emptied()
    assert told == [True, False]
