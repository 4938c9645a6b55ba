"""The cutover's verbs over a real store; the rules are those of ``endpoints``."""

from dataclasses import replace

import pytest

from proxy.admin import control, cutover
from proxy.admin.control import ControlError
from proxy.endpoints.changes import EndpointFields
from proxy.endpoints.cutover import Share
from proxy.endpoints.model import Guard
from proxy.endpoints.plan import Plan, PlannedChange
from proxy.location.binding import Binding, BindingChange

CHAT = "chat@contoso.test"
PLAN = Plan("plan", (PlannedChange(CHAT, "new.test"),))
TEXT = f'[[change]]\nsip_address = "{CHAT}"\npool_fqdn = "new.test"\n'


@pytest.fixture
async def ready(operator):
    await control.new_endpoint(operator, CHAT, EndpointFields("old.test"))
    return operator


async def pool(operator) -> str:
    table = await operator.store.load_table()
    return table.endpoints[CHAT].pool_fqdn


async def test_a_plan_is_applied_confirmed_and_shown(ready) -> None:
    assert await cutover.status(ready) is None
    await cutover.apply(ready, PLAN, what_if=True)
    assert await pool(ready) == "old.test"
    await cutover.apply(ready, PLAN, confirm_within=60.0)
    view = await cutover.status(ready)
    assert view is not None and view.seconds_left == 60.0 and not view.is_guarded
    assert view.cutover.applied_by == "alice (test)" and await pool(ready) == "new.test"
    await cutover.confirm(ready)
    view = await cutover.status(ready)
    assert view is not None and view.cutover.state == "confirmed"
    assert view.seconds_left is None


async def test_the_minutes_of_the_plan_count_unless_others_are_said(ready) -> None:
    await cutover.apply(ready, replace(PLAN, confirm_within=2))
    view = await cutover.status(ready)
    assert view is not None and view.seconds_left == 120.0


async def test_a_rollback_over_a_later_change_asks_for_force(ready) -> None:
    await cutover.apply(ready, PLAN)
    await control.set_endpoint(ready, CHAT, EndpointFields("third.test"))
    view = await cutover.status(ready)
    assert view is not None and list(view.changed) == [f"sip:{CHAT}"]
    await cutover.roll_back(ready, what_if=True)
    with pytest.raises(ControlError):
        await cutover.roll_back(ready)
    await cutover.roll_back(ready, force=True)
    assert await pool(ready) == "old.test"
    (row, *_) = await ready.store.history()
    assert row.verb == "cutover.rollback --force"


async def test_what_is_overdue_is_rolled_back_once_by_the_clock_of_the_machine(ready):
    await cutover.apply(ready, PLAN, confirm_within=60.0)
    store = ready.store
    assert await cutover.roll_back_overdue(store, 1e9, ("machine", 66.0)) is None
    undone = await cutover.roll_back_overdue(store, 0.0, ("machine", 67.0))
    assert undone is not None and await pool(ready) == "old.test"
    assert await cutover.roll_back_overdue(store, 1e9, ("machine", 99.0)) is None
    (row, *_) = await store.history()
    assert row.actor == cutover.AUTOMATIC


async def test_somebody_registered_stops_a_plan(ready) -> None:
    made = Binding(CHAT, b"k", b"sip:x", b"<sip:x>", 1.0, 900.0, 1.0, b"c", 1)
    made = replace(made, source="udp:10.1.1.1:5060")
    await ready.store.save_bindings([BindingChange(CHAT, b"k", made)])
    with pytest.raises(ControlError, match=r"udp:10\.1\.1\.1:5060"):
        await cutover.apply(ready, PLAN)


async def test_a_guard_stands_on_duty_and_its_counts_are_shown(ready) -> None:
    await cutover.apply(ready, PLAN, guard=Guard(5.0), guard_for=60.0)
    await ready.store.add_guarded(1, {"served": 3})
    view = await cutover.status(ready)
    assert view is not None and view.is_guarded and view.guard is not None
    assert view.guard.tally.served == 3


async def test_another_try_has_the_plan_the_users_and_the_guard(ready, tmp_path):
    file = tmp_path / "plan.toml"
    file.write_text(TEXT)
    plan = cutover.read_plan(file)
    with pytest.raises(ControlError, match="nothing to try again"):
        await cutover.again(ready)
    share = Share(10, frozenset({"bob@contoso.test"}))
    await cutover.apply(ready, plan, share=share, guard=Guard(5.0), guard_for=60.0)
    await cutover.roll_back(ready)
    again = await cutover.again(ready)
    assert again.plan.changes == plan.changes and again.share == share
    assert again.guard is not None and again.guard_for == 60.0
    assert len(await cutover.all_cutovers(ready, 5)) == 1


async def test_a_plan_that_was_not_kept_must_be_named(ready) -> None:
    await cutover.apply(ready, PLAN)
    await cutover.roll_back(ready)
    with pytest.raises(ControlError, match="was not kept"):
        await cutover.again(ready)


def test_files_are_read_in_any_encoding_of_windows_and_mistakes_are_told(tmp_path):
    file = tmp_path / "plan.toml"
    file.write_bytes(TEXT.encode("utf-16"))
    assert cutover.read_plan(file).changes[0].pool_fqdn == "new.test"
    file.write_text("[[change]]\n")
    assert cutover.read_with_mistakes(file).problems
    with pytest.raises(ControlError, match=r"plan\.toml"):
        cutover.read_plan(file)
    with pytest.raises(ControlError, match="cannot be read"):
        cutover.read_plan(tmp_path / "none")
    pilots = tmp_path / "pilots.txt"
    pilots.write_text("Alice@contoso.test\n")
    assert cutover.read_pilots(pilots) == frozenset({"alice@contoso.test"})
