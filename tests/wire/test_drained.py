"""A front end is drained: by every worker, over a restart, and comes back by itself."""

import asyncio
import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab.dns_server import ZoneServer
from proxy.lab.front_end import FrontEndServer
from proxy.lab.service import Service, ServiceError
from proxy.lab.setting import ALIAS, POOL, Setting
from proxy.lab.world import zone
from tests.support.ports import free_address
from tests.support.scene import DNS_HOST, FRONT_END_HOSTS, WAYPOST_HOST
from tests.support.until import told
from tests.support.warm import run, waypost

WORKERS = 2
FE1, HOST = "fe1.contoso.test", FRONT_END_HOSTS[0]
DEFAULT = "127.0.0.99"
"""Nobody is there, and nothing is sent there."""


@dataclass
class World:
    setting: Setting
    service: Service
    front_ends: list[FrontEndServer]
    admin: str

    async def type(self, *words: str):
        return await waypost(self.setting.config, *words)

    async def text(self, *words: str) -> str:
        return (await run("--config", str(self.setting.config), *words)).stdout

    async def follows(self, change: str) -> None:
        """Return when every worker routes by the table that the store has now.

        They follow it four times a second, and each says so in the log.
        """
        version = (await self.type("endpoint", "history"))[0]["version"]

        def workers() -> int:
            seen = told(self.setting.log, "table.changed")
            return sum(x["version"] >= version for x in seen)

        await until(lambda: workers() >= WORKERS, change)

    async def get(self, path: str) -> str:
        def read() -> str:
            with urllib.request.urlopen(f"http://{self.admin}{path}", timeout=10) as it:
                return it.read().decode()

        return await asyncio.to_thread(read)

    async def journeys(self, number: int = 4) -> list[int]:
        """INVITEs that each front end had of so many chat starts, all of them well."""
        before = [self.invites(each) for each in self.front_ends]
        for _ in range(number):
            client = LegacyClient(self.setting.proxy, transport="tcp")
            await Journey(client, ALIAS).play()
        after = [self.invites(each) for each in self.front_ends]
        return [b - a for a, b in zip(before, after, strict=True)]

    def invites(self, front_end: FrontEndServer) -> int:
        return sum(x.message.method == "INVITE" for x in front_end.seen)


async def until(condition, what: str) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    front_ends = [FrontEndServer(f"fe{n}", x) for n, x in enumerate(FRONT_END_HOSTS, 1)]
    async with contextlib.AsyncExitStack() as stack:
        for each in front_ends:
            await each.start()
            stack.push_async_callback(each.stop)
        setting = Setting(
            directory=tmp_path,
            proxy=free_address(WAYPOST_HOST),
            dns=free_address(DNS_HOST),
            front_ends=tuple((x.host, x.port) for x in front_ends),
        )
        dns = ZoneServer(zone(setting), *setting.dns)
        await dns.start()
        stack.push_async_callback(dns.stop)
        setting.write_config()
        admin = "{}:{}".format(*free_address(WAYPOST_HOST))
        with setting.config.open("a") as file:
            file.write(f'\n[admin]\nlisten = "{admin}"\n')
            file.write(f"\n[server]\nworkers = {WORKERS}\n")
            file.write(f'\n[routes]\ndefault = "sip:{DEFAULT}:5060"\n')
        words = ("endpoint", "new", "--sip-address", ALIAS, "--pool-fqdn", POOL)
        await waypost(setting.config, *words)
        await waypost(setting.config, "pool", "set", POOL, "--transport", "tcp")
        service = Service(setting.config, setting.log)
        stack.push_async_callback(service.stop)
        await service.start(setting.proxy)
        yield World(setting, service, front_ends, admin)


async def test_a_drained_front_end_gets_no_new_dialogs_until_it_is_undrained(
    world: World,
) -> None:
    client = LegacyClient(world.setting.proxy, transport="tcp")
    await client.connect()
    dialog, answer = await client.call(ALIAS)
    assert answer.status == 200 and world.invites(world.front_ends[0]) == 1
    words = ("--reason", "patch day", "--for", "2h")
    (change,) = (await world.type("pool", "drain", FE1, *words))["changes"]
    assert change["kind"] == "drain" and change["after"]["front_end"] == FE1
    await world.follows("drained")
    assert await world.journeys() == [0, 8]

    # What goes on there goes on there.
    assert (await client.hang_up(dialog)).status == 200
    assert any(x.message.method == "BYE" for x in world.front_ends[0].seen)
    await client.close()

    with pytest.raises(ServiceError, match="last front end"):
        await world.type("pool", "drain", FRONT_END_HOSTS[1])
    with pytest.raises(ServiceError, match="of the default route"):
        await world.type("pool", "drain", DEFAULT, "--force")
    metrics = await world.get("/metrics")
    rows = [x for x in metrics.splitlines() if "front_end_drained{" in x]
    (line,) = [x for x in rows if f'front_end="{FE1}"' in x and '"tcp"' in x]
    assert line.endswith(" 1.0")
    assert f'waypost_pool_front_ends_available{{pool="{POOL}"}} 1.0' in metrics
    (told,) = json.loads(await world.get("/status"))["drained"]
    assert (told["front_end"], told["reason"]) == (FE1, "patch day")
    for text in (await world.text("status"), await world.text("pool", "show", POOL)):
        (line,) = [x for x in text.splitlines() if "patch day" in x]
        assert FE1 in line and "is drained by" in line
        assert max(map(len, text.splitlines())) <= 80
        rows = [x for x in text.splitlines() if f"tcp:{HOST}" in x]
        assert any(" drained" in x for x in rows), rows
    assert "drained by" in await world.text("explain", ALIAS)

    # The store keeps it.
    await world.service.stop()
    await world.service.start(world.setting.proxy)
    assert await world.journeys(2) == [0, 4]
    await world.type("pool", "undrain", FRONT_END_HOSTS[0])
    await world.follows("undrained")
    assert await world.journeys(2) == [4, 0]


async def test_a_drained_front_end_comes_back_by_itself(world: World) -> None:
    await world.type("pool", "drain", FE1, "--for", "1s", "--pool", POOL)
    history: list[dict] = []
    async with asyncio.timeout(20):
        while not history or history[0]["verb"] != "pool.undrain":
            await asyncio.sleep(0.1)
            history = await world.type("endpoint", "history")
    assert history[0]["actor"] == "waypost" and history[0]["after"] is None
    await world.follows("back")
    assert await world.journeys(2) == [4, 0]
    with pytest.raises(ServiceError, match="is not drained"):
        await world.type("pool", "undrain", FE1)
