"""A running proxy whose Redis goes away and comes back, over real sockets.

The real `waypost serve` and `redis-server` as children, both killed as by a power cut.
"""

import asyncio
import re
import time

import pytest

from proxy.lab.service import ServiceError
from tests.support.redis import RedisServer
from tests.support.until import comes_true
from tests.wire.test_registrar import DOMAIN, LOOKUP, Client, Storm, World, status

KILLS = 5
CHAT = f"sip:chat@{DOMAIN}"


class SharedWorld(World):
    """The proxy of the registrar's tests with a Redis of its own."""

    def __init__(self, directory, redis) -> None:
        super().__init__(directory)
        text = self.config.read_text()
        text = re.sub(r'url = "sqlite:[^"]*"', f'url = "{redis.url}"', text)
        self.config.write_text(text)


@pytest.fixture
async def redis(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def world(tmp_path, redis):
    world = SharedWorld(tmp_path, redis)
    await world.start()
    yield world
    await world.service.stop()


def reaches(caller: Client, callee: Client, address: str) -> bool:
    """A MESSAGE to an address arrives at that client."""
    caller.request(f"MESSAGE {address}", address)
    try:
        return callee.read().startswith("MESSAGE")
    except TimeoutError:
        return False


async def test_calls_go_on_while_redis_is_away_and_changes_are_refused(world, redis):
    with Client(world) as lookup, Client(world) as caller:
        assert status(lookup.register(LOOKUP)) == 200
        redis.kill()
        # Bindings and table are those last known.
        assert reaches(caller, lookup, LOOKUP)
        await comes_true(lambda: "store.unavailable" in world.log)
        took = []
        for _ in range(3):  # a wait would be there each time, a busy machine is not
            with Client(world) as late:
                start = time.monotonic()
                refused = late.register(f"sip:bob@{DOMAIN}")
                took.append(time.monotonic() - start)
                assert status(refused) == 503
                assert "\r\nRetry-After: " in refused
        assert min(took) < 1
        words = ("--sip-address", CHAT, "--pool-fqdn", "pcpool.contoso.test")
        with pytest.raises(ServiceError, match=r"cannot be reached .*start Redis"):
            await world.run("endpoint", "new", *words)
        assert reaches(caller, lookup, LOOKUP)

        redis.start()
        await world.run("endpoint", "new", *words)
        with Client(world) as late:
            assert status(late.register(f"sip:bob@{DOMAIN}")) == 200
        listed = await world.run("binding", "list")
        assert {row["aor"].partition("@")[0] for row in listed} == {"ocschat", "bob"}
        assert reaches(caller, lookup, LOOKUP)


async def test_both_killed_lose_nothing_that_was_acknowledged(world, redis):
    with Client(world) as lookup, Client(world) as caller:
        assert status(lookup.register(LOOKUP)) == 200
        await world.kill()
        redis.kill()
        redis.start()
        await world.start()
        assert reaches(caller, lookup, LOOKUP)


async def test_a_change_reaches_every_proxy_on_one_redis_within_a_second(
    world, redis, tmp_path
):
    directory = tmp_path / "second"
    directory.mkdir()
    second = SharedWorld(directory, redis)
    await second.start()
    try:
        took = []
        for number in range(1, 4):  # what is late each time is not a busy machine
            chat = f"sip:chat{number}@{DOMAIN}"
            words = ("--sip-address", chat, "--pool-fqdn", "pcpool.contoso.test")
            with Client(world) as one, Client(second) as two:
                for caller in (one, two):
                    caller.request(f"MESSAGE {chat}", chat)
                    assert status(caller.read()) == 404
            await world.run("endpoint", "new", *words)
            moment = time.monotonic()
            for node in (world, second):
                await comes_true(
                    lambda at=node, n=number: at.log.count("table.changed") >= n
                )
            took.append(time.monotonic() - moment)
        assert min(took) < 1
    finally:
        await second.service.stop()


async def test_no_acknowledged_registration_is_lost_by_killing_redis(world, redis):
    storm = Storm(world)
    blowing = asyncio.create_task(storm.blow())  # noqa: TID251
    seen = 0
    for number in range(KILLS):
        async with asyncio.timeout(20):  # it has to be up and at work
            while len(storm.acknowledged) == seen:
                await asyncio.sleep(0.01)
        # Somewhere inside a group commit, elsewhere each time.
        await asyncio.sleep(0.3 + 0.0037 * number)
        redis.kill()
        await asyncio.sleep(0.05)
        seen = len(storm.acknowledged)
        redis.start()
    blowing.cancel()
    await asyncio.gather(blowing, return_exceptions=True)
    listed = await world.run("binding", "list")
    assert storm.acknowledged <= {row["aor"].partition("@")[0] for row in listed}
