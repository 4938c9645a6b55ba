"""The promises of a store, kept by SQLite and by Redis."""

import asyncio

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import (
    EndpointFields,
    RowChange,
    Rules,
    new_endpoint,
    remove_endpoint,
    set_endpoint,
    set_pool,
)
from proxy.endpoints.model import Cutover, Drain, Endpoint, Pool
from proxy.sip.errors import MalformedMessage
from proxy.store import Actor, StoreError, open_store

ALICE = Actor("alice", "cli on admin1")
RULES = Rules(frozenset({"contoso.test"}))
KEY = "ocschat@contoso.test"
POOL = "pcpool.contoso.test"


async def create(store, address=KEY, pool=POOL, now=5.0):
    decide = new_endpoint(address, EndpointFields(pool_fqdn=pool), RULES, now)
    return await store.change(ALICE, "endpoint.new", decide, now)


async def test_a_change_is_in_the_table_and_in_the_history(store):
    (change,) = await create(store)
    table = await store.load_table()
    assert table.endpoints == {KEY: change.after}
    (row,) = await store.history()
    assert (row.actor, row.verb, row.at, row.key) == (ALICE, "endpoint.new", 5.0, KEY)
    assert (row.before, row.after) == (None, change.after)
    assert row.version == table.version == await store.table_version()


async def test_history_is_newest_first_and_of_one_row_when_asked(store):
    await create(store)
    await create(store, "b@contoso.test")
    fields = EndpointFields(pool_fqdn="new.contoso.test")
    await store.change(ALICE, "set", set_endpoint(KEY, fields, RULES, 6.0), 6.0)
    await store.change(ALICE, "remove", remove_endpoint(KEY), 7.0)
    rows = await store.history(KEY)
    assert [row.verb for row in rows] == ["remove", "set", "endpoint.new"]
    assert rows[0].before == rows[1].after
    assert len(await store.history(limit=2)) == 2


async def test_what_was_changed_together_is_found_by_any_of_its_rows(store):
    await create(store, "before@contoso.test")
    rows = [
        RowChange(None, Endpoint(f"sip:u{n}@c.d", f"u{n}@c.d", "p.q"))
        for n in range(1100)
    ]
    await store.change(ALICE, "endpoint.import", lambda table: rows, 6.0)
    await create(store, "after@contoso.test", now=6.0)
    for number in (2, 600, 1101):
        found = await store.audit_batch(number)
        assert [row.number for row in found] == list(range(2, 1102))
        assert {row.verb for row in found} == {"endpoint.import"}
    assert [row.number for row in await store.audit_batch(1)] == [1]
    assert await store.audit_batch(1103) == []


async def test_every_cutover_is_kept(store):
    assert await store.cutovers() == []
    for number in (1, 2):
        made = Cutover(number, "applied", "plan", float(number), "anna")
        row = RowChange(None, made)
        await store.change(ALICE, "cutover.apply", lambda table, row=row: [row], 6.0)
    assert [each.number for each in await store.cutovers()] == [2, 1]


async def test_a_refused_change_writes_nothing_at_all(store):
    await create(store)
    version = await store.table_version()
    with pytest.raises(Refused):
        await create(store, KEY.upper())
    assert len(await store.history()) == 1
    assert await store.table_version() == version
    await create(store, "after@contoso.test")


async def test_many_rows_change_together_or_not_at_all(store):
    rows = [
        RowChange(None, Endpoint(f"sip:{n}@contoso.test", f"{n}@contoso.test", POOL))
        for n in range(50)
    ]
    await store.change(ALICE, "cutover", lambda table: rows, 1.0)
    assert len((await store.load_table()).endpoints) == 50
    assert len({row.version for row in await store.history()}) == 1

    class NotJson(Endpoint):
        __slots__ = ()

    bad = NotJson("sip:x@contoso.test", "x@contoso.test", object())
    removals = [RowChange(row.after, None) for row in rows]
    with pytest.raises(TypeError):
        await store.change(
            ALICE, "x", lambda table: [*removals, RowChange(None, bad)], 2.0
        )
    assert len((await store.load_table()).endpoints) == 50


async def test_a_change_that_changes_nothing_leaves_no_trace(store):
    version = await store.table_version()
    assert await store.change(ALICE, "x", lambda table: [], 1.0) == []
    assert await store.table_version() == version
    assert await store.history() == []


async def test_a_pool_setting_is_kept_and_can_go_again(store):
    decide = set_pool(POOL, RULES, transport="tls", port=5041)
    await store.change(ALICE, "pool.set", decide, 1.0)
    assert (await store.load_table()).pool(POOL) == Pool(POOL, "tls", 5041)
    decide = set_pool(POOL, RULES, transport="auto", port=0)
    await store.change(ALICE, "pool.set", decide, 2.0)
    assert (await store.load_table()).pool(POOL) is None


async def test_everything_is_there_after_opening_again(store_url):
    first = await open_store(store_url)
    await create(first)
    key, version = await first.hmac_key(), await first.table_version()
    await first.close()
    second = await open_store(store_url)
    assert await second.hmac_key() == key and len(key) == 32
    assert await second.table_version() == version
    assert KEY in (await second.load_table()).endpoints
    await second.close()


async def test_another_user_of_the_store_sees_the_new_version(store_url, store):
    other = await open_store(store_url)
    before = await other.table_version()
    await create(store)
    assert await other.table_version() > before
    assert await other.table_version() == await store.table_version()
    await create(other, "b@contoso.test")
    assert await other.table_version() == await store.table_version()
    await other.close()


async def test_two_users_cannot_create_the_same_endpoint(store_url, store):
    other = await open_store(store_url)
    results = await asyncio.gather(
        *(create(each) for each in (store, other, store, other)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, Refused)]
    assert len(refused) == 3
    assert len(await store.history()) == 1
    await other.close()


async def test_a_learned_uri_is_kept_with_pool_and_endpoint(store):
    await create(store)
    version = await store.table_version()
    assert await store.learn("sip:GC-1@Contoso.test;x=y", POOL, KEY, 10.0)
    assert await store.table_version() > version
    (learned,) = (await store.load_table()).learned["gc-1@contoso.test"]
    assert (learned.pool_fqdn, learned.endpoint_key) == (POOL, KEY)
    assert (learned.learned_at, learned.last_used_at) == (10.0, 10.0)


async def test_learning_the_same_again_only_moves_its_last_use(store):
    await create(store)
    await store.learn("sip:GC-1@contoso.test", POOL, KEY, 10.0)
    version = await store.table_version()
    assert not await store.learn("sip:GC-1@contoso.test", POOL, KEY, 20.0)
    assert await store.table_version() == version
    (learned,) = (await store.load_table()).learned["gc-1@contoso.test"]
    assert (learned.learned_at, learned.last_used_at) == (10.0, 20.0)


async def test_each_pool_that_hands_out_a_uri_has_its_row(store):
    await create(store)
    await store.learn("sip:GC-1@contoso.test", POOL, KEY, 10.0)
    version = await store.table_version()
    assert await store.learn("sip:GC-1@contoso.test", "new.test", KEY, 20.0)
    assert not await store.learn("sip:GC-1@contoso.test", POOL, KEY, 15.0)
    assert await store.table_version() == version + 1
    rows = (await store.load_table()).learned["gc-1@contoso.test"]
    found = [(row.pool_fqdn, row.learned_at, row.last_used_at) for row in rows]
    assert found == [("new.test", 20.0, 20.0), (POOL, 10.0, 20.0)]
    (known,) = await store.look_up(["gc-1@contoso.test"], 0.0)
    assert [claim[1] for claim in known.learned] == [POOL, "new.test"]


async def test_the_pools_that_told_longest_ago_are_forgotten(store):
    await create(store)
    for n in range(6):
        await store.learn("sip:GC-1@contoso.test", f"p{n}.test", KEY, 10.0 + n)
    rows = (await store.load_table()).learned["gc-1@contoso.test"]
    assert [row.pool_fqdn for row in rows] == [f"p{n}.test" for n in (5, 4, 3, 2)]


async def test_nothing_is_learned_for_an_endpoint_that_is_gone(store):
    assert not await store.learn("sip:GC-1@contoso.test", POOL, KEY, 10.0)
    await create(store)
    await store.learn("sip:GC-1@contoso.test", POOL, KEY, 10.0)
    await store.change(ALICE, "remove", remove_endpoint(KEY), 11.0)
    assert (await store.load_table()).learned == {}


@pytest.mark.parametrize("uri", ["GC-1@contoso.test", "sip:contoso.test", "tel:1"])
async def test_a_learned_uri_must_be_an_address(store, uri):
    with pytest.raises(MalformedMessage):
        await store.learn(uri, POOL, KEY, 10.0)


async def test_learned_uris_are_forgotten_after_their_time_without_use(store):
    await create(store)
    for user in ("a", "b"):
        await store.learn(f"sip:{user}@contoso.test", POOL, KEY, 10.0)
    version = await store.table_version()
    await store.touch_learned({"a@contoso.test": 50.0, "unknown@contoso.test": 50.0})
    await store.touch_learned({"a@contoso.test": 40.0})
    await store.touch_learned({})
    assert await store.table_version() == version
    assert await store.forget_learned(45.0) == 1
    assert list((await store.load_table()).learned) == ["a@contoso.test"]
    assert await store.table_version() > version
    assert await store.forget_learned(45.0) == 0


async def test_a_closed_store_says_so_and_closing_twice_is_allowed(store_url):
    store = await open_store(store_url)
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.load_table()


async def test_a_drained_front_end_is_kept_told_and_can_go_again(store_url, store):
    other = await open_store(store_url)
    mark = (await other.news("")).mark
    drain = Drain("fe1.test", 5060, POOL, "patch", "alice", 1.25, 9e9 + 0.5)
    row = [RowChange(None, drain)]
    await store.change(ALICE, "pool.drain", lambda table: row, 1.0)
    news = await other.news(mark)
    assert news.is_table
    assert (await other.load_table()).drains == (drain,)
    back = [RowChange(drain, None)]
    await other.change(ALICE, "pool.undrain", lambda table: back, 2.0)
    assert (await store.load_table()).drains == ()
    rows = await store.history("fe1.test:5060@" + POOL)
    assert [(x.verb, x.kind, x.before, x.after) for x in rows] == [
        ("pool.undrain", "drain", drain, None),
        ("pool.drain", "drain", None, drain),
    ]
    await other.close()
