"""The registrar and the store: loaded first, swept by one, moved with the clock."""

import asyncio
from types import SimpleNamespace

from proxy.core import events
from proxy.location.binding import Binding, BindingChange
from proxy.server.store_side import registrar as module
from proxy.server.store_side.registrar import GRACE, PIECE, start_registrar
from proxy.store import StoreError
from tests.server.store_side.world import RuntimeLike, Store


class World(RuntimeLike):
    def __init__(self) -> None:
        super().__init__()
        self.settled_bindings: set[bytes] = set()
        self.core.registrar = SimpleNamespace(
            is_settled=lambda binding: binding.key in self.settled_bindings
        )
        self.on_clock_set = self.on_conflict = None
        self.store = Store(users=[], bindings=[])

    async def start(self, **more: bool) -> None:
        await start_registrar(self.store, self, **more)  # type: ignore[arg-type]


def moved(count: int) -> list[BindingChange]:
    return [
        BindingChange(
            f"u{n}@b",
            b"%d" % n,
            Binding(f"u{n}@b", b"%d" % n, b"u", b"v", 1.0, 9.0, 1.0, b"c", 1),
        )
        for n in range(count)
    ]


async def test_without_a_registrar_the_store_is_left_alone() -> None:
    world = World()
    world.core.registrar = None
    await world.start()
    assert world.store.asked == [] and not hasattr(world.carrier, "on_save")


async def test_bindings_are_loaded_before_anything_is_saved() -> None:
    world = World()
    await world.start()
    assert [type(x) for x in world.stepped] == [events.LocationLoaded]
    assert callable(world.carrier.on_save) and callable(world.on_conflict)
    await world.tasks.close()


async def test_of_several_workers_one_saves_what_the_clock_has_moved() -> None:
    world = World()
    await world.start(sweeps_store=False)
    assert world.on_clock_set is None
    await world.tasks.close()


async def test_moved_bindings_are_saved_in_pieces_those_alone_that_still_stand() -> (
    None
):
    world, changes = World(), moved(PIECE + 2)
    world.settled_bindings = {change.key for change in changes[1:]}
    removed = BindingChange("x@b", b"x", None)
    await module._save_moved(world.store, world, [*changes, removed])  # type: ignore[arg-type]
    sizes = [len(piece) for (piece,) in world.store.calls("save_bindings")]
    assert sizes == [PIECE - 1, 2]


async def test_a_store_that_fails_is_asked_for_no_more_pieces() -> None:
    world, changes = World(), moved(PIECE + 2)
    world.settled_bindings = {change.key for change in changes}
    world.store.problem = StoreError("gone")
    await module._save_moved(world.store, world, changes)  # type: ignore[arg-type]
    assert len(world.store.calls("save_bindings")) == 1


async def test_expired_bindings_go_here_and_after_a_while_in_the_store(monkeypatch):
    monkeypatch.setattr(module, "SWEEP", 0.0)
    for sweeps in (True, False):
        world = World()
        await world.start(sweeps_store=sweeps)
        for _ in range(20):
            await asyncio.sleep(0)
        await world.tasks.close()
        assert events.SweepDue in {type(x) for x in world.stepped}
        calls = world.store.calls("forget_bindings")
        assert set(calls) == ({(1_000.0 - GRACE,)} if sweeps else set())
