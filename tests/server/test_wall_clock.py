"""When a clock was set, and what follows from it."""

import pytest

from proxy import clock
from proxy.server.wall_clock import WallClock


class Times:
    """The machine's clocks, moved by the test."""

    def __init__(self, monkeypatch):
        self.wall, self.boottime = 1_700_000_000.0, 500.0
        monkeypatch.setattr(clock, "wall", lambda: self.wall)
        monkeypatch.setattr(clock, "boottime", lambda: self.boottime)

    def pass_by(self, seconds):
        self.wall += seconds
        self.boottime += seconds


@pytest.fixture
def times(monkeypatch):
    return Times(monkeypatch)


def test_time_that_passes_is_no_jump_and_drift_is_followed(times):
    wall = WallClock(10.0)
    for n in range(1, 100):
        times.pass_by(0.25)
        times.wall += 0.01
        assert wall.look(10.0 + n * 0.25) == 0.0
    assert wall.offset == pytest.approx(times.wall - (10.0 + 99 * 0.25))


@pytest.mark.parametrize("by", [7200.0, -7200.0, 1.5])
def test_a_clock_that_is_set_is_told_once(times, by):
    wall = WallClock(10.0)
    times.pass_by(0.25)
    times.wall += by
    assert wall.look(10.25) == pytest.approx(by)
    times.pass_by(0.25)
    assert wall.look(10.5) == 0.0
    assert wall.offset == pytest.approx(times.wall - 10.5)


def test_a_machine_that_slept_has_no_clock_that_was_set(times):
    wall = WallClock(10.0)
    times.pass_by(3600.0)  # the loop's clock stood still meanwhile
    assert wall.look(10.25) == 0.0
    assert wall.offset == pytest.approx(times.wall - 10.25)


def test_what_is_deleted_for_its_age_waits_until_that_time_has_passed_here(times):
    wall = WallClock(10.0)
    began = times.wall
    times.pass_by(60.0)
    times.wall += 31_536_000.0
    assert wall.patient() == began + 60.0
    times.wall = began - 100.0
    assert wall.patient() == began - 100.0
