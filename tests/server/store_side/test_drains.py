"""A drain whose time is over: its row goes, by the first node that sees it."""

import pytest

from proxy.endpoints.model import Drain
from proxy.endpoints.table import EndpointTable
from proxy.server.store_side import drains as module
from proxy.server.store_side.drains import watch_drains
from proxy.store import StoreError
from tests.server.store_side.world import RuntimeLike, Store, runs


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.0)
    monkeypatch.setattr(module, "AGAIN", 0.0)
    monkeypatch.setattr("proxy.clock.wall", lambda: 100.0)


def table(*ends: float) -> EndpointTable:
    return EndpointTable(
        drains=[Drain(f"fe{n}", ends_at=at) for n, at in enumerate(ends)]
    )


async def test_while_none_has_ended_the_store_is_not_asked() -> None:
    store = Store()
    await runs(watch_drains(store, RuntimeLike(table(0.0, 101.0))))  # type: ignore[arg-type]
    assert store.asked == []


async def test_what_has_ended_is_removed_and_stands_in_the_history() -> None:
    store, held = Store(), table(99.0, 101.0)
    await runs(watch_drains(store, RuntimeLike(held)))  # type: ignore[arg-type]
    actor, verb, decide, now = store.calls("change")[0]
    assert (actor.name, verb, now) == ("waypost", "pool.undrain", 100.0)  # type: ignore[attr-defined]
    assert [change.before.place for change in decide(held)] == ["fe0"]  # type: ignore[operator]


async def test_a_store_that_takes_no_change_is_tried_again() -> None:
    store = Store()
    store.problem = StoreError("full")
    await runs(watch_drains(store, RuntimeLike(table(99.0))))  # type: ignore[arg-type]
    assert len(store.calls("change")) > 1
