"""A store moves into another kind of store and back, and nothing is different."""

import asyncio

import pytest

from proxy.admin.control import ControlError
from proxy.admin.migrate import migrate
from proxy.endpoints.changes import EndpointFields, new_endpoint
from proxy.endpoints.pool_usage import PoolUsage, UserDays
from proxy.store import StoreError, open_store
from proxy.store.copying import SECTIONS
from proxy.store.redis import copying
from proxy.store.redis.copying import RedisCopy
from tests.support.rich_store import ANNA, KEY, POOL, RULES, everything, fill_store


@pytest.fixture
async def full(tmp_path):
    """The URL of a store with something of everything in it."""
    url = f"sqlite:///{tmp_path}/full.db"
    await fill_store(url)
    return url


async def test_there_and_back_everything_is_the_same(full, redis_url, tmp_path):
    moved = {each.section: each for each in await migrate(full, redis_url)}
    assert (moved["bindings"].rows, moved["bindings"].written) == (1200, 1200)
    assert moved["audit"].rows == 5
    assert (moved["usage_pools"].written, moved["usage_days"].written) == (3, 2)
    wanted = await everything(full)
    assert await everything(redis_url) == wanted
    back = f"sqlite:///{tmp_path}/back.db"
    await migrate(redis_url, back)
    assert await everything(back) == wanted


async def test_what_moved_is_counted_on(full, redis_url, tmp_path):
    await migrate(full, redis_url)
    back = f"sqlite:///{tmp_path}/back.db"
    await migrate(redis_url, back)
    for url in (redis_url, back):
        store = await open_store(url)
        more = PoolUsage(KEY, POOL, 20_701, 3, 2, 1)
        days = UserDays(KEY, POOL, "a@x", (20_702,))
        await store.add_usage([], [more], [days])
        found = {row.key: row for row in await store.pool_usage()}
        assert (found[more.key].calls, found[more.key].failed) == (3, 1)
        assert (await store.user_days())[1].days == (20_700, 20_701, 20_702)
        await store.close()


def test_a_redis_reads_all_that_it_writes_in_a_form_of_its_own():
    assert copying._WRITE.keys() - copying._READ.keys() == {"usage"}


async def test_the_history_goes_on_after_a_move(full, redis_url):
    await migrate(full, redis_url)
    store = await open_store(redis_url)
    decide = new_endpoint("b@contoso.test", EndpointFields(pool_fqdn=POOL), RULES, 9.0)
    await store.change(ANNA, "endpoint.new", decide, 9.0)
    assert [row.number for row in await store.history()] == [6, 5, 4, 3, 2, 1]
    assert len(await store.remove_bindings("u7@contoso.test", ANNA, 10.0)) == 1
    await store.close()


async def test_a_move_that_was_interrupted_is_finished_by_the_same_command(
    full, redis_url, monkeypatch
):
    write, left = RedisCopy.write, [8]

    async def break_off(self, section, rows):
        left[0] -= 1
        if not left[0]:
            raise StoreError("the Redis went away")
        await write(self, section, rows)

    monkeypatch.setattr(RedisCopy, "write", break_off)
    with pytest.raises(StoreError, match="went away"):
        await migrate(full, redis_url)
    monkeypatch.undo()
    moved = {each.section: each for each in await migrate(full, redis_url)}
    assert moved["endpoints"].written == 0
    assert 0 < moved["bindings"].written < 1200
    assert await everything(redis_url) == await everything(full)


async def test_a_store_in_use_is_never_overwritten(full, redis_url):
    await migrate(full, redis_url)
    with pytest.raises(ControlError, match="would lose them: name an empty store"):
        await migrate(full, redis_url)
    with pytest.raises(ControlError, match="the same store"):
        await migrate(full, full)


async def test_a_source_that_changes_meanwhile_is_noticed(full, redis_url, monkeypatch):
    read, is_done = RedisCopy.read, asyncio.Event()

    async def disturb(self, section):
        if section == "meta" and not is_done.is_set():
            is_done.set()
            store = await open_store(full)
            await store.set_note("late", "x")
            await store.close()
        return await read(self, section)

    monkeypatch.setattr(RedisCopy, "read", disturb)
    with pytest.raises(ControlError, match="stop every proxy on either"):
        await migrate(full, redis_url)
    assert len(await migrate(full, redis_url)) == len(SECTIONS)


async def test_a_source_that_is_not_there_is_not_made(
    redis_server, redis_url, tmp_path
):
    missing = tmp_path / "typo.db"
    with pytest.raises(StoreError, match="there is no store"):
        await migrate(f"sqlite:///{missing}", redis_url)
    assert not missing.exists()
    with pytest.raises(StoreError, match="there is no store in the Redis"):
        await migrate(redis_url, f"sqlite:///{missing}")
    assert redis_server.send("DBSIZE") == b":0\r\n"
