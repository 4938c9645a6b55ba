"""Garbage is collected when memory has grown, or in a quiet minute."""

import pytest

from proxy.server import garbage
from proxy.server.garbage import EACH, GROWTH, Collector


def test_garbage_is_collected_when_memory_has_grown_whatever_the_clock_says() -> None:
    collector = Collector(100_000_000 - 10 * EACH)
    assert not collector.is_due(2.0, 10, 100_000_000 + GROWTH)
    assert collector.is_due(2.0, 10, 100_000_001 + GROWTH)
    collector.collected(100_000_001 + GROWTH, 10)
    assert not collector.is_due(2.0, 10, 100_000_001 + GROWTH), "it is in use"
    # What was given back may grow again before it counts.
    assert not collector.is_due(2.0, 10, 90_000_000)
    assert collector.is_due(2.0, 10, 90_000_001 + GROWTH)


def test_what_live_transactions_take_is_no_reason_to_stop_for_a_collection() -> None:
    collector = Collector(50_000_000)
    assert not collector.is_due(2.0, 100_000, 50_000_000 + GROWTH + 100_000 * EACH)
    assert collector.is_due(2.0, 0, 50_000_001 + GROWTH), "they are over, it is not"
    collector = Collector(50_000_000)
    assert collector.is_due(2.0, 100_000, 50_000_001 + GROWTH + 100_000 * EACH)


@pytest.mark.parametrize("live, seconds", [(10, 60), (50_000, 600)])
def test_otherwise_garbage_waits_for_a_quiet_minute(live, seconds) -> None:
    collector, passed = Collector(1), 2
    while not collector.is_due(2.0, live, 1):
        passed += 2
    assert passed == seconds


def test_memory_is_read_from_the_kernel() -> None:
    assert 10_000_000 < garbage.resident_bytes() < 10_000_000_000
