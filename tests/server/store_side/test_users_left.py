"""How many legacy users are left: read often while they are few."""

import asyncio

import pytest

from proxy.endpoints.pool_usage import UserDays
from proxy.server.state import ServiceState
from proxy.server.store_side import users_left
from proxy.server.store_side.users_left import MANY, OFTEN, SELDOM, count_users
from proxy.store import StoreError
from tests.server.store_side.world import Store, runs

TODAY = 20_000


@pytest.fixture
def pauses(monkeypatch) -> list[float]:
    """The seconds between two looks."""
    found: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        found.append(seconds)
        await sleep(0)

    monkeypatch.setattr(users_left.asyncio, "sleep", noted)
    monkeypatch.setattr("proxy.clock.wall", lambda: TODAY * 86_400.0)
    return found


def row(number: int, day: int = TODAY) -> UserDays:
    return UserDays("chat@b.test", "pool.test", f"u{number}@b", (day,))


async def test_those_of_the_last_days_are_counted(pauses) -> None:
    state = ServiceState()
    store = Store(user_days=[row(1), row(2), row(3, TODAY - 30)], unknown_held=(4, 9))
    await runs(count_users(store, state))  # type: ignore[arg-type]
    assert sum(state.users_left.values()) == 2 and state.unknown_held == (4, 9)
    assert OFTEN in pauses


async def test_a_large_ledger_is_read_seldom(pauses) -> None:
    store = Store(user_days=[row(n) for n in range(MANY)], unknown_held=None)
    await runs(count_users(store, ServiceState()))  # type: ignore[arg-type]
    assert SELDOM in pauses and OFTEN not in pauses


async def test_while_the_store_is_away_the_last_number_stays(pauses) -> None:
    state, store = ServiceState(), Store()
    state.users_left = {"pool.test": 5}
    store.problem = StoreError("gone")
    await runs(count_users(store, state))  # type: ignore[arg-type]
    assert state.users_left == {"pool.test": 5} and len(store.asked) > 1
