"""Addresses that memory does not know: every request gets an answer, soon."""

import asyncio

from proxy.core import commands, events
from proxy.server.store_side import store_look_ups
from proxy.server.store_side.store_look_ups import SILENCE, LookUps
from proxy.store import StoreError
from proxy.store.news import Known
from tests.server.store_side.world import RuntimeLike, Store


class World(RuntimeLike):
    def __init__(self, *known: Known) -> None:
        super().__init__()
        by_aor = {each.aor: each for each in known}
        self.store = Store(
            look_up=lambda aors, now: [by_aor[x] for x in aors if x in by_aor]
        )
        self.look_up = LookUps(self.store, self)  # type: ignore[arg-type]
        self.now = 0.0

    async def asks(self, *aors: str) -> dict[str, int]:
        """What is wanted at once; how many bindings each was answered with."""
        for aor in aors:
            self.look_up.add(commands.LookUp(aor))
        await self.settled()
        found, self.stepped[:] = list(self.stepped), []
        assert all(isinstance(each, events.LookedUp) for each in found)
        return {each.aor: len(each.bindings) for each in found}


async def test_all_that_came_up_meanwhile_is_one_question() -> None:
    world = World(Known("a@b", ["binding"]))  # type: ignore[list-item]
    assert await world.asks("a@b", "c@b") == {"a@b": 1, "c@b": 0}
    assert [aors for aors, _ in world.store.calls("look_up")] == [["a@b", "c@b"]]
    assert world.look_ups == {"found": 1, "unknown": 0, "failed": 0}


async def test_a_flood_is_asked_for_in_pieces(monkeypatch) -> None:
    monkeypatch.setattr(store_look_ups, "AT_ONCE", 2)
    world = World()
    assert len(await world.asks(*(f"u{n}@b" for n in range(5)))) == 5
    assert [len(aors) for aors, _ in world.store.calls("look_up")] == [2, 2, 1]


async def test_a_store_that_is_away_is_spared_for_a_second_and_all_are_answered():
    world = World()
    world.store.problem = StoreError("gone")
    for _ in range(3):
        assert await world.asks("a@b") == {"a@b": 0}
    assert len(world.store.calls("look_up")) == 1 and world.look_ups["failed"] == 3
    world.look_up._silent_until -= SILENCE
    world.store.problem = None
    await world.asks("a@b")
    assert len(world.store.calls("look_up")) == 2


async def test_a_bug_is_noted_and_everybody_answered_all_the_same() -> None:
    world = World()
    world.store.answers["look_up"] = lambda *_: 1 / 0
    assert await world.asks("a@b") == {"a@b": 0}
    assert world.faults == ["look-up.failed"]
    await asyncio.sleep(0)
