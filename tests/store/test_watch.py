"""Leases and the guard's counts, on every kind of store."""

import asyncio

LEASE = "chat-probe"


async def test_one_holds_a_lease_until_it_lets_go(store, other):
    assert await store.hold_lease(LEASE, "one", 30) == "one"
    assert await other.hold_lease(LEASE, "two", 30) == "one"
    assert await store.hold_lease(LEASE, "one", 30) == "one"
    assert await other.hold_lease("another", "two", 30) == "two"
    assert await store.hold_lease(LEASE, "one", 0) == ""
    assert await other.hold_lease(LEASE, "two", 30) == "two"


async def test_nobody_gives_back_what_another_holds(store, other):
    assert await store.hold_lease(LEASE, "one", 30) == "one"
    assert await other.hold_lease(LEASE, "two", 0) == "one"
    assert await store.hold_lease(LEASE, "one", 30) == "one"


async def test_a_lease_ends_by_itself(store, other):
    assert await store.hold_lease(LEASE, "one", 0.1) == "one"
    async with asyncio.timeout(5):
        while await other.hold_lease(LEASE, "two", 30) != "two":
            await asyncio.sleep(0.02)
    assert await store.hold_lease(LEASE, "one", 30) == "two"


async def test_what_all_have_counted_is_added_up(store, other):
    await store.add_guarded(3, {"served": 2, "failed 500": 1})
    await other.add_guarded(3, {"served": 5})
    assert await store.guarded(3) == {"served": 7, "failed 500": 1}
    assert await other.guarded(3) == await store.guarded(3)
    assert await store.guarded(4) == {}


async def test_counts_of_an_earlier_cutover_go(store):
    await store.add_guarded(3, {"served": 2})
    await store.add_guarded(4, {"served": 1})
    await store.add_guarded(3, {"served": 9})  # from a process that is behind
    assert await store.guarded(4) == {"served": 1}
    assert await store.guarded(3) == {}


async def test_neither_moves_the_table(store):
    before = await store.table_version()
    await store.hold_lease(LEASE, "one", 30)
    await store.add_guarded(3, {"served": 2})
    assert await store.table_version() == before
