"""While a canary runs a user's whole journey is at one pool: the channel's INVITE
goes where the alias went, although both pools hand out the same service URI."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from proxy.endpoints.canary import bucket_of
from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.front_end import FrontEndServer
from proxy.lab.service import Service
from tests.support.ports import free_address
from tests.support.redis import RedisServer
from tests.support.two_pools import NEW, OLD, TwoPools, follows, two_pools
from tests.support.until import comes_true
from tests.support.warm import waypost

ALIAS = "sip:ocschat@contoso.test"
HOSTS = "127.0.0.33", "127.0.0.34"
PERCENT = 50
USERS = [f"user{n}@contoso.test" for n in range(24)]
PLAN = f'[[change]]\nsip_address = "{ALIAS}"\npool_fqdn = "{NEW}"\n'
_USER = re.compile(r"sip:([^>;]+)")


@pytest.fixture
async def ends():
    """A front end of each pool; they hand out the same URI."""
    found = FrontEndServer("old", HOSTS[0]), FrontEndServer("new", HOSTS[1])
    for each in found:
        await each.start()
    assert found[0].channel_uri == found[1].channel_uri
    yield found
    for each in found:
        await each.stop()


async def begin_canary(scene: TwoPools) -> None:
    config = scene.config
    words = "endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", OLD
    await waypost(config, *words)
    plan = config.with_name("plan.toml")
    plan.write_text(PLAN)
    await waypost(config, "cutover", "apply", str(plan), "--percent", str(PERCENT))
    await scene.follows()


async def crowd(ends, proxies, users=USERS) -> None:
    """Everybody at once, in turns over UDP and TCP and to each proxy; where to?"""
    for each in ends:
        each.seen.clear()

    async def chat(number: int, user: str) -> None:
        client = LegacyClient(
            proxies[number % len(proxies)],
            user=f"sip:{user}",
            transport=("udp", "tcp")[number // 2 % 2],
        )
        journey = Journey(client, ALIAS)
        await journey.play()
        assert journey.ok, "\n".join(map(str, journey.steps))

    await asyncio.gather(*(chat(n, user) for n, user in enumerate(users)))
    # By call: over UDP a busy machine has an INVITE repeated.
    calls = [
        {(_USER.search(x.get("from"))[1], x.call_id) for x in each.requests("INVITE")}
        for each in ends
    ]
    went = [Counter(user for user, _ in each) for each in calls]
    for user in users:
        is_new = bucket_of(user) < PERCENT
        assert went[is_new][user] == 2 and not went[not is_new][user], user
    assert all(went), "both pools have users"


async def the_ledger_knows_the_pools(config: Path) -> None:
    """Two crowds: calls, journeys, times and the verdict, pool by pool."""
    new_users = sum(bucket_of(user) < PERCENT for user in USERS)

    async def is_saved() -> bool:
        (view,) = await waypost(config, "usage", ALIAS)
        (both,) = view["comparison"]
        return (both["new"]["calls"], both["old"]["calls"]) == (
            2 * new_users,
            2 * (len(USERS) - new_users),
        )

    await comes_true(is_saved)
    (view,) = await waypost(config, "usage", ALIAS)
    (both,) = view["comparison"]
    for side, users in (("new", new_users), ("old", len(USERS) - new_users)):
        counts = both[side]
        assert (counts["calls"], counts["failed"]) == (2 * users, 0), side
        assert counts["journeys"] == 2 * users
        assert 0 < counts["p50_seconds"] <= counts["p99_seconds"]
    assert both["sentence"].endswith("too few to tell")
    assert {x["users"] for x in view["users_by_day"]} <= {new_users, 24 - new_users}
    status = await waypost(config, "cutover", "status")
    assert status["comparison"] == view["comparison"]


@pytest.mark.parametrize("workers", [1, 2])
async def test_nobody_crosses_over_under_load_and_after_a_restart(
    tmp_path, ends, workers
) -> None:
    addresses = [(x.host, x.port) for x in ends]
    extra = f"\n[server]\nworkers = {workers}\n"
    async with two_pools(tmp_path, *addresses, extra=extra) as scene:
        await begin_canary(scene)
        await crowd(ends, [scene.proxy])
        await scene.service.stop()
        await scene.service.start(scene.proxy)
        await crowd(ends, [scene.proxy], USERS[::-1])
        (shown,) = await waypost(scene.config, "endpoint", "get", ALIAS)
        assert {x["pool_fqdn"] for x in shown["learned"]} == {OLD, NEW}
        await the_ledger_knows_the_pools(scene.config)


async def test_nor_between_two_nodes_on_one_redis(tmp_path, ends, monkeypatch) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    monkeypatch.setenv("WAYPOST_STORE_URL", redis.url)
    addresses = [(x.host, x.port) for x in ends]
    try:
        async with two_pools(tmp_path, *addresses) as scene:
            other = free_address("127.0.0.18")
            text = scene.config.read_text()
            text = text.replace("{}:{}".format(*scene.proxy), "{}:{}".format(*other))
            admin = "{}:{}".format(*free_address("127.0.0.18"))
            text = re.sub(r'(?s)(\[admin\]\nlisten = )"[^"]*"', rf'\1"{admin}"', text)
            folder = tmp_path / "second"
            folder.mkdir()
            config = folder / "waypost.toml"
            config.write_text(text)
            node = Service(config, folder / "serve.log")
            await node.start(other)
            try:
                await begin_canary(scene)
                await follows(config, node)
                # What one node learns of a pool the other has not heard yet.
                await crowd(ends, [scene.proxy, other])
                await crowd(ends, [other, scene.proxy])
            finally:
                await node.stop()
    finally:
        redis.kill()
