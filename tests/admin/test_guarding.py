"""What a guard of a cutover is doing, in words, and the rollback that it orders."""

from dataclasses import replace

import pytest

from proxy.admin import control
from proxy.admin import cutover as verbs
from proxy.admin.guarding import GUARD, GuardView, roll_back_for
from proxy.endpoints.changes import EndpointFields
from proxy.endpoints.model import Cutover, Guard
from proxy.endpoints.plan import Plan, PlannedChange

GUARDED = Cutover(1, "applied", "plan", 0.0, "me", guard=Guard(5.0, until=60.0))
COUNTS = {"served": 6, "failed timeout": 3, "refused 404": 1}
NOW = ("", 0.0)


def view(cutover: Cutover, now: float = 10.0) -> GuardView:
    found = GuardView.of(cutover, COUNTS, now, NOW)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("change", "now", "state", "left"),
    [
        ({}, 10.0, "armed", 50.0),
        ({}, 61.0, "over", 0.0),
        ({"state": "confirmed"}, 10.0, "disarmed", 0.0),
        ({"state": "rolled-back"}, 10.0, "disarmed", 0.0),
        ({"state": "rolled-back", "reason": "it failed"}, 10.0, "rolled back", 0.0),
    ],
)
def test_its_state_is_named(change, now, state, left) -> None:
    found = view(replace(GUARDED, **change), now)
    assert (found.state, found.seconds_left) == (state, left)


def test_a_cutover_without_a_guard_has_none() -> None:
    assert GuardView.of(replace(GUARDED, guard=None), COUNTS, 10.0, NOW) is None


def test_counts_and_share_are_told() -> None:
    told = view(GUARDED).to_json(GUARDED)
    assert (told["calls"], told["served"], told["failed"], told["refused"]) == (
        *(10, 6, 3, 1),
    )
    assert told["limit_percent"] == 5.0 and told["causes"] == {"timeout": 3}
    assert told["bad_percent"] > 0 and told["until"] == 60.0


async def test_it_is_rolled_back_once_with_the_reason_in_the_audit(operator) -> None:
    fields = EndpointFields("old.test")
    await control.new_endpoint(operator, "chat@contoso.test", fields)
    plan = Plan("plan", (PlannedChange("chat@contoso.test", "new.test"),))
    await verbs.apply(operator, plan, guard=Guard(5.0), guard_for=60.0)
    assert await roll_back_for(operator.store, 99, "another one") is None
    undone = await roll_back_for(operator.store, 1, "it failed")
    assert undone is not None and undone.reason == "it failed"
    table = await operator.store.load_table()
    assert table.endpoints["chat@contoso.test"].pool_fqdn == "old.test"
    (row, *_) = await operator.store.history()
    assert (row.actor, row.verb) == (GUARD, "cutover.rollback")
    assert await roll_back_for(operator.store, 1, "again") is None
