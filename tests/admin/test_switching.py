"""``cutover apply``: examined first, and nothing changes when that advises against."""

from dataclasses import replace

import pytest

from proxy.admin import control, switching
from proxy.admin.control import ControlError
from proxy.admin.cutover import Again
from proxy.admin.doctor.verdicts import Step
from proxy.admin.in_force import Keeper
from proxy.admin.switching import Order, switch
from proxy.endpoints.changes import EndpointFields
from proxy.endpoints.cutover import WHOLE
from proxy.endpoints.model import Guard
from proxy.endpoints.plan import Plan, PlannedChange
from tests.config.loading import load
from tests.support.dns import dns_zone

CHAT = "chat@contoso.test"
PLAN = Plan("plan", (PlannedChange(CHAT, "new.test"),))


@pytest.fixture
async def world(operator, tmp_path):
    """An operator and a configuration in whose DNS no pool exists."""
    await control.new_endpoint(operator, CHAT, EndpointFields("old.test"))
    async with dns_zone({}) as zone:
        yield operator, load(tmp_path, f'[dns]\nnameservers = ["{zone.address}"]\n')


async def pool(operator) -> str:
    return (await operator.store.load_table()).endpoints[CHAT].pool_fqdn


def heard() -> tuple[list[list[Step]], object]:
    found: list[list[Step]] = []
    return found, lambda steps, outcome: found.append(list(steps))


async def test_a_pool_that_is_not_there_stops_it_before_anything_changes(world) -> None:
    operator, config = world
    told, examined = heard()
    one_by_one: list[Step] = []
    with pytest.raises(ControlError, match="--force"):
        await switch(operator, config, Order(PLAN), examined, tell=one_by_one.append)
    assert await pool(operator) == "old.test"
    assert told and any(step.verdict == "failed" for step in told[0])
    assert one_by_one == told[0], "each is told as soon as it is known"


async def test_force_goes_on_and_stands_in_the_audit(world) -> None:
    operator, config = world
    _, examined = heard()
    done = await switch(operator, config, Order(PLAN, force=True), examined)
    assert await pool(operator) == "new.test" and done.version > 0
    (row, *_) = await operator.store.history()
    assert row.verb == "cutover.apply --force"


async def test_a_dry_run_asks_nobody_and_changes_nothing(world) -> None:
    operator, config = world
    told, examined = heard()
    done = await switch(operator, config, Order(PLAN), examined, what_if=True)
    assert done.outcome.what_if and done.steps == [] and done.version == 0
    assert told == [] and await pool(operator) == "old.test"


async def test_a_promise_needs_a_service_that_keeps_it(world, monkeypatch) -> None:
    """A rollback by itself happens only while somebody watches."""
    operator, config = world
    asked: list[Guard | None] = []

    def nobody(config, guard) -> Keeper:
        asked.append(guard)
        return Keeper("no service runs")

    monkeypatch.setattr(switching, "rollback_keeper", nobody)
    _, examined = heard()
    order = Order(PLAN, guard=Guard(5.0), guard_for=60.0)
    monkeypatch.setattr(switching, "refuse_when_failed", lambda steps, force: False)
    with pytest.raises(ControlError, match="no service runs"):
        await switch(operator, config, order, examined)
    assert await pool(operator) == "old.test" and asked == [Guard(5.0)]
    await switch(operator, config, replace(order, force=True), examined)
    assert await pool(operator) == "new.test"


def test_what_may_be_rolled_back_by_itself_is_a_promise() -> None:
    assert not Order(PLAN).promises
    assert Order(PLAN, guard=Guard(5.0)).promises
    assert Order(PLAN, confirm_within=60.0).promises
    assert Order(replace(PLAN, confirm_within=2)).promises


def test_another_try_is_the_same_order() -> None:
    again = Order.again(Again(PLAN, WHOLE, Guard(5.0), 60.0))
    assert again == Order(PLAN, WHOLE, Guard(5.0), 60.0)
