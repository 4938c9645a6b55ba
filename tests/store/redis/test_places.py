"""Redis with sentinels and as a cluster: the master dies, and nothing promised is lost.

Real servers and sentinels; each set dies with the test that killed its master.
"""

import asyncio
import signal
import time

import pytest

from proxy.admin.migrate import migrate
from proxy.endpoints.changes import EndpointFields, Rules, new_endpoint
from proxy.store import Actor, StoreError, open_store
from tests.support.redis_sets import ClusterSet, SentinelSet, until

ANNA = Actor("anna", "cli on a")
RULES = Rules(frozenset({"contoso.test"}))


def new(number):
    address = f"u{number}@contoso.test"
    return new_endpoint(address, EndpointFields(pool_fqdn="pool.test"), RULES, 1.0)


@pytest.fixture(params=[SentinelSet, ClusterSet])
def redis(request, tmp_path):
    made = request.param(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def test_a_failover_loses_nothing_promised_and_ends_by_itself(redis, tmp_path):
    store = await open_store(redis.url)
    assert store._redis._found.replicas == 1, "there is one to wait for"
    is_cluster = isinstance(redis, ClusterSet)
    master = redis.owner() if is_cluster else redis.master()
    promised, refused, number = [], [], 0

    async def change():
        nonlocal number
        number += 1
        try:
            await store.change(ANNA, "new", new(number), 1.0)
        except StoreError as error:
            refused.append(str(error))
            await asyncio.sleep(0.05)
        else:
            promised.append(f"u{number}@contoso.test")

    for _ in range(50):
        await change()
    assert not refused
    master.kill()
    end = time.monotonic() + 20
    while len(promised) < 100:
        await change()
        assert time.monotonic() < end
    # While nobody was master every change was refused, and said why.
    assert refused and all("cannot be reached" in text for text in refused)
    table = await store.load_table()
    assert set(promised) <= table.endpoints.keys()
    if is_cluster:  # sentinels take ten seconds for this
        # The old master comes back as a replica.
        master.start()
        until(lambda: master.send("ROLE").find(b"connected") > 0)
        await store.change(ANNA, "new", new(number + 1), 1.0)
    await store.close()
    # A move knows such a store, too, there and back.
    file = f"sqlite:///{tmp_path}/moved.db"
    moved = {each.section: each.rows for each in await migrate(redis.url, file)}
    assert moved["endpoints"] >= 100
    if not is_cluster:  # which has no second database
        await migrate(file, redis.url.removesuffix("/0") + "/1")


async def test_a_change_that_no_replica_confirms_is_not_promised(tmp_path):
    redis = SentinelSet(tmp_path, down_after=2500)
    try:
        redis.start()
        store = await open_store(redis.url)
        await store.change(ANNA, "new", new(1), 1.0)
        redis.servers[1].signal(signal.SIGSTOP)
        with pytest.raises(StoreError, match="no replica says that it has it"):
            await store.change(ANNA, "new", new(2), 1.0)
        # It was made all the same, as the message says.
        assert "u2@contoso.test" in (await store.load_table()).endpoints
        # Once the sentinels know that there is none any more, nobody waits for it.
        end, number = time.monotonic() + 20, 2
        while True:
            number += 1
            try:
                await store.change(ANNA, "new", new(number), 1.0)
                break
            except StoreError:
                assert time.monotonic() < end
        took = []
        for more in range(1, 4):  # who waits does so each time
            start = time.monotonic()
            await store.change(ANNA, "new", new(900 + more), 1.0)
            took.append(time.monotonic() - start)
        assert min(took) < 0.9, "it waited for nobody"
        await store.close()
        # Who wants replicas whatever happens gets no promise without them.
        strict = await open_store(redis.url + "?replicas=1")
        with pytest.raises(StoreError, match="no replica says"):
            await strict.change(ANNA, "new", new(number + 2), 1.0)
        await strict.close()
    finally:
        redis.kill()


async def test_sentinels_that_know_no_such_master_say_so(tmp_path):
    redis = SentinelSet(tmp_path, replicas=0)
    try:
        redis.start()
        with pytest.raises(StoreError, match=r'do not know a master "other"'):
            await open_store(redis.url.replace("mymaster", "other"))
    finally:
        redis.kill()
