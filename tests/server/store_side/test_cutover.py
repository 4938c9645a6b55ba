"""The deadline of a cutover heeds no setting of its machine's clock."""

import pytest

from proxy.endpoints.model import Cutover
from proxy.server.store_side.cutover import Deadline

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
