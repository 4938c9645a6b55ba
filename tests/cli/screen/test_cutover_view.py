"""How the newest cutover is shown: what the store says, and what a service says."""

from dataclasses import replace

import pytest

from proxy.admin.cutover import CutoverView
from proxy.admin.guarding import GuardView
from proxy.admin.in_force import Keeper
from proxy.cli.screen.cutover_view import print_cutover
from proxy.endpoints.guard import FAILED, PROBED, SERVED, UNPROBED, Tally
from proxy.endpoints.model import Cutover, Guard

GUARD = Guard(5.0, 20, until=1800.0)


def shown(capsys, keeper, counts=(), state="armed", left=1800.0, probes=False):
    guard = replace(GUARD, probes=probes)
    cutover = Cutover(7, "applied", "weekend", 0.0, "me", guard=guard)
    guard = GuardView(state, left, Tally.of(dict(counts)))
    print_cutover(CutoverView(cutover, None, (), guard=guard), keeper)
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("keeper", "said"),
    [
        (Keeper(), "Guard : armed, 30 min left Terms"),
        (
            Keeper("nothing answers", is_unknown=True),
            "Guard : armed in the store, 30 min left; whether a service watches is "
            "unknown: nothing answers Terms",
        ),
        (
            Keeper("it is draining"),
            "Guard : armed in the store, 30 min left; NOBODY watches: it is draining",
        ),
    ],
)
def test_armed_is_said_only_where_a_service_watches(capsys, keeper, said):
    assert said in shown(capsys, keeper)


def test_a_guard_off_duty_needs_nobody(capsys):
    assert "Guard : over Terms" in shown(capsys, None, state="over", left=0.0)


def test_no_calls_are_not_a_share_of_failures(capsys):
    assert "So far : no calls yet" in shown(capsys, Keeper())
    said = shown(capsys, Keeper(), {SERVED: 3, f"{FAILED}500": 1})
    assert "So far : 1 of 4 calls failed (25.0 %): 500 (1)" in said


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, "Probes : unknown: no round yet"),
        (
            {f"{UNPROBED}new.test": 9},
            "Probes : unknown in 9 of 9 rounds: no front end of new.test to try",
        ),
        (
            {f"{UNPROBED}new.test": 1, f"{PROBED}new.test": 3, f"{PROBED}b.test": 4},
            "Probes : unknown in 1 of 4 rounds: no front end of new.test to try",
        ),
    ],
)
def test_a_pool_that_no_probe_could_try_is_unknown(capsys, counts, said):
    assert said in shown(capsys, Keeper(), counts, probes=True)
    assert "Probes" not in shown(capsys, Keeper(), counts)


def test_where_probes_had_something_to_try_there_is_no_doubt(capsys):
    counts = {f"{PROBED}new.test": 3, SERVED: 3}
    assert "Probes" not in shown(capsys, Keeper(), counts, probes=True)
