"""Learned URIs: saved, told to siblings, and no more kept than there is room for."""

from types import SimpleNamespace

from structlog.testing import capture_logs

from proxy.core import commands
from proxy.core.dialogs.requri import REFUSALS
from proxy.server.store_side import learned
from proxy.server.store_side.learned import MOST_USES, keep_uses, save_learned
from proxy.server.store_side.store_writes import StoreWrites
from proxy.store import StoreError
from tests.server.store_side.world import RuntimeLike, Store, runs


def test_used_uris_that_cannot_be_told_are_bounded() -> None:
    new = {f"new{n}" for n in range(10)}
    runtime = SimpleNamespace(writes=StoreWrites(), used_uris=set(new))
    keep_uses(runtime, {f"old{n}" for n in range(MOST_USES)})  # type: ignore[arg-type]
    assert len(runtime.used_uris) == MOST_USES
    assert runtime.writes.dropped["use"] == 10
    assert new <= runtime.used_uris


LEARNED = commands.LearnUri("sip:GC-1@b.test", "pool.test", "chat@b.test")


async def test_a_uri_is_saved_told_to_siblings_and_logged() -> None:
    world, told = RuntimeLike(), []
    world.links = SimpleNamespace(tell=told.append)
    store = Store()
    save_learned(store, world)  # type: ignore[arg-type]
    with capture_logs() as logs:
        world.on_learned(LEARNED)  # type: ignore[attr-defined]
    await world.settled()
    ((*words, _now),) = store.calls("learn")
    assert words == ["sip:GC-1@b.test", "pool.test", "chat@b.test"]
    assert told == [["uri", *words]]
    assert [each["event"] for each in logs] == ["uri.learned"]


async def test_a_refused_one_is_only_told_with_its_reason() -> None:
    world, store = RuntimeLike(), Store()
    save_learned(store, world)  # type: ignore[arg-type]
    reason = next(iter(REFUSALS))
    refused = commands.RefuseUri("sip:a@b", "pool.test", "chat@b.test", reason)
    with capture_logs() as logs:
        world.on_learned(refused)  # type: ignore[attr-defined]
    await world.settled()
    assert store.asked == [] and logs[0]["reason"] == REFUSALS[reason]


async def test_uses_that_could_not_be_told_are_told_the_next_time(monkeypatch) -> None:
    monkeypatch.setattr(learned, "SAVE_USES", 0.0)
    world, store = RuntimeLike(), Store()
    world.used_uris = {"gc-1@b.test"}
    store.problem = StoreError("gone")
    await runs(learned.save_uses(store, world))  # type: ignore[arg-type]
    assert len(store.calls("touch_learned")) > 1
    assert world.used_uris == {"gc-1@b.test"}
    store.problem = None
    await runs(learned.save_uses(store, world))  # type: ignore[arg-type]
    assert world.used_uris == set()


async def test_uris_without_a_call_for_long_are_forgotten_once_an_hour() -> None:
    world, store = RuntimeLike(), Store(forget_learned=3)
    world.config = SimpleNamespace(learned=SimpleNamespace(ttl=100.0))  # type: ignore[attr-defined]
    with capture_logs() as logs:
        await runs(learned.forget_learned(store, world))  # type: ignore[arg-type]
    assert store.calls("forget_learned") == [(900.0,)]
    assert logs[0]["count"] == 3
