"""The guard of a cutover in a service: it counts, judges, and rolls back once."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from proxy.endpoints.guard import Tally
from proxy.endpoints.model import Cutover, Endpoint, Guard, Switch
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import FrontEnd
from proxy.server.chat_probe.results import Result
from proxy.server.state import ServiceState
from proxy.server.store_side import guard as module
from proxy.server.store_side.guard import IN_A_ROW, PROBE_EVERY, GuardWatch
from proxy.store import StoreError
from tests.server.store_side.world import RuntimeLike, Store

OLD = Endpoint("sip:c@b.test", "c@b.test", "old.test")
NEW = Endpoint("sip:c@b.test", "c@b.test", "new.test")
FAR = 1e12


def cutover(**more) -> Cutover:
    guard = Guard(5.0, least=2, until=FAR, probes=True)
    applied = Cutover(1, "applied", "plan", 0.0, "me", switches=(Switch(OLD, NEW),))
    return replace(applied, **{"guard": guard, **more})


class World(RuntimeLike):
    def __init__(self, row: Cutover | None = None, **answers: object) -> None:
        super().__init__(EndpointTable([NEW], cutover=row or cutover()))
        self.store = Store(guarded={}, **answers)
        self.state = ServiceState()
        self.watch = GuardWatch(self.store, self, self.state)  # type: ignore[arg-type]


@pytest.fixture
def rolled(monkeypatch) -> list[str]:
    """The reasons for which the cutover was rolled back."""
    found: list[str] = []

    async def roll_back(store, number, reason):
        await store.change()
        found.append(reason)
        return cutover(state="rolled-back", reason=reason)

    monkeypatch.setattr(module, "roll_back_for", roll_back)
    return found


def probed(is_good: bool, pool: str = "new.test") -> Result:
    step, reason = ("", "") if is_good else ("join", "no answer")
    at = FrontEnd("tcp", "127.0.0.1", 5060, "fe1", pool)
    return Result(pool, "fe1", "chat", step, reason, (), 1.0, 1.0, at)


async def test_a_cutover_without_a_guard_or_settled_is_not_guarded() -> None:
    assert World().watch.armed is not None
    assert World(cutover(guard=None)).watch.armed is None
    assert World(cutover(state="confirmed")).watch.armed is None
    assert World(cutover(guard=Guard(5.0, until=1.0))).watch.armed is None


async def test_counts_are_kept_while_the_store_is_away_and_added_then() -> None:
    world = World()
    world.watch.book.turn()
    world.watch.book.count_probe("")
    world.store.problem = StoreError("gone")
    await world.watch._save()
    assert len(world.store.calls("add_guarded")) == 1
    world.store.problem = None
    await world.watch._save()
    (_, (number, counts)) = world.store.calls("add_guarded")
    assert number == 1 and sum(counts.values()) == 1  # type: ignore[attr-defined]
    await world.watch._save()
    assert len(world.store.calls("add_guarded")) == 2


async def test_where_nobody_guards_any_more_the_last_word_is_shown(rolled) -> None:
    world = World(cutover(state="rolled-back", reason="it failed"))
    await world.watch._judge(world.watch.armed)
    assert rolled == [] and world.store.calls("guarded") == []


async def test_two_rounds_in_which_nobody_serves_chat_are_enough(rolled) -> None:
    world = World()
    for _ in range(IN_A_ROW - 1):
        await world.watch.probed([probed(False)])
    await world.watch.probed([probed(True), probed(False)])
    assert rolled == []
    with capture_logs() as logs:
        for _ in range(IN_A_ROW):
            await world.watch.probed([probed(False)])
    (reason,) = rolled
    assert "no front end of new.test serves chat" in reason and "join" in reason
    assert logs[-1]["event"] == "cutover.rolled_back"


async def test_a_rollback_that_fails_is_told_and_tried_again_later(rolled) -> None:
    world = World()
    world.store.problem = StoreError("full")
    with capture_logs() as logs:
        for _ in range(3):
            await world.watch._roll_back(cutover(), "it failed")
    assert [x["event"] for x in logs if x["log_level"] == "error"].count(
        "cutover.not_rolled_back"
    ) == 1
    assert "could not be rolled back" in world.state.cutover_problem
    assert len(world.store.calls("change")) == 1, "not at once"
    world.store.problem = None
    world.watch._next_try = 0.0
    await world.watch._roll_back(cutover(), "it failed")
    assert rolled == ["it failed"] and world.state.cutover_problem == ""


async def test_probes_hurry_only_where_they_count() -> None:
    assert World().watch.hurry() == PROBE_EVERY
    assert World(cutover(guard=Guard(5.0, until=FAR))).watch.hurry() == 0.0
    assert World(cutover(guard=None)).watch.hurry() == 0.0


async def test_one_round_without_a_front_end_to_try_counts_for_nothing(rolled) -> None:
    """DNS may not have answered yet."""
    world = World()
    await world.watch.probed([])
    assert Tally.of(world.watch.book.take()[1]).rounds == {}
    await world.watch.probed([])
    assert Tally.of(world.watch.book.take()[1]).rounds == {"new.test": (0, 1)}
