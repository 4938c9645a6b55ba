"""When a clock was set, and what deadlines make of it."""

import pytest

from proxy import clock
from proxy.endpoints.model import Cutover
from proxy.server.cutover import Deadline
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


# -- the deadline of a cutover ----------------------------------------------------

HERE = "4f9c"


def armed(machine=HERE, confirm_by=1_000.0, uptime_by=90.0):
    return Cutover(
        1,
        "applied",
        "plan",
        940.0,
        "me",
        confirm_by,
        machine=machine,
        uptime_by=uptime_by,
    )


@pytest.mark.parametrize("wall", [0.0, 999.0, 9_999_999.0])
def test_on_its_own_machine_a_cutover_heeds_no_setting_of_the_clock(wall):
    deadline = Deadline()
    assert not deadline.is_over(armed(), wall, (HERE, 89.9))
    assert deadline.is_over(armed(), wall, (HERE, 90.0))
    assert armed().left(wall, (HERE, 80.0)) == 10.0


def test_another_machine_counts_from_when_it_first_saw_the_cutover():
    deadline = Deadline()
    assert not deadline.is_over(armed(), 970.0, ("other", 5_000.0))
    assert not deadline.is_over(armed(), 9_999.0, ("other", 5_029.9))  # it was set
    assert deadline.is_over(armed(), 0.0, ("other", 5_030.0))


def test_after_a_restart_of_the_machine_the_wall_clock_must_do():
    assert not armed().is_overdue(999.9, ("later", 3.0))
    assert armed().is_overdue(1000.0, ("later", 3.0))
    assert Deadline().is_over(armed(), 1000.0, ("later", 3.0))


def test_a_cutover_of_an_older_release_knows_the_wall_clock_only():
    old = armed(machine="", uptime_by=0.0)
    assert not old.is_overdue(999.9, ("", 0.0))
    assert old.is_overdue(1000.0, (HERE, 5.0))
    assert Deadline().is_over(old, 1000.0, ("", 7.0))


def test_another_cutover_has_another_deadline():
    deadline = Deadline()
    here = ("other", 5_000.0)
    assert not deadline.is_over(armed(), 970.0, here)
    assert deadline.is_over(armed(confirm_by=960.0), 970.0, here)
    assert not deadline.is_over(armed(confirm_by=None), 970.0, here)
