"""The real service counts what is dialled in our domains and nobody serves."""

import asyncio
import contextlib
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.journey.legacy_client import LegacyClient
from proxy.lab.service import Service
from tests.support.ports import free_address
from tests.support.redis import RedisServer
from tests.support.two_pools import TwoPools, two_pools
from tests.support.until import comes_true
from tests.support.warm import waypost

DIALLED = "persistentchat@contoso.test"
SOMEWHERE = ("127.0.0.33", 5060)
"""No call gets as far as a front end."""
QUIET = "\n[log]\naccess = false\n[recorder]\nmegabytes = 0\n"
SILENT = f'{QUIET}[admin]\nlisten = ""\n'
PATIENCE = 10.0


async def dial(proxy, address: str, user: str, transport: str) -> int:
    client = LegacyClient(proxy, user=f"sip:{user}", transport=transport)
    await client.connect()
    try:
        invite = client.invite(client.new_dialog(f"sip:{address}"))
        return (await client.request(invite)).status
    finally:
        await client.close()


async def counted(config: Path, wanted: dict[str, tuple[int, int]]) -> None:
    """Return when the store says so: counts are saved within a second."""
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        views = await waypost(config, "usage", "--unknown")
        found = {x["sip_address"]: (x["users"], x["requests"]) for x in views}
        if found == wanted:
            return
        assert asyncio.get_running_loop().time() < end, found
        await asyncio.sleep(0.1)


async def crowd(*proxies) -> None:
    """Two users dial one address, twice each; others dial what is not counted."""
    for number in range(2):
        for each in ("alice", "bob"):
            user, proxy = f"{each}@contoso.test", proxies[number % len(proxies)]
            transport = ("udp", "tcp")[number]
            assert await dial(proxy, DIALLED, user, transport) == 404
    doctor = "waypost-doctor@contoso.test"
    assert await dial(proxies[0], "chat@contoso.test", doctor, "tcp") == 404
    elsewhere = "chat@elsewhere.test"
    assert await dial(proxies[0], elsewhere, "alice@contoso.test", "tcp") == 403


@pytest.mark.parametrize("workers", [1, 2])
async def test_without_access_lines_and_with_several_workers(tmp_path, workers) -> None:
    host, port = free_address("127.0.0.17")
    extra = f'{QUIET}[admin]\nlisten = "{host}:{port}"\n[server]\nworkers = {workers}\n'
    async with two_pools(tmp_path, SOMEWHERE, SOMEWHERE, extra) as scene:
        await crowd(scene.proxy)
        await counted(scene.config, {f"sip:{DIALLED}": (2, 4)})
        await scene.service.stop()
        await scene.service.start(scene.proxy)
        await counted(scene.config, {f"sip:{DIALLED}": (2, 4)})
        metrics = ("unknown_callers 2.0", "unknown_nameless 0.0")
        await comes_true(lambda: has_metrics(f"http://{host}:{port}/metrics", *metrics))


async def has_metrics(url: str, *wanted: str) -> bool:
    """The node says these of the ledger, and each once."""

    def scrape() -> list[str]:
        with urllib.request.urlopen(url, timeout=5) as page:
            return page.read().decode().splitlines()

    lines = await asyncio.to_thread(scrape)
    return all(lines.count(f"waypost_{each}") == 1 for each in wanted)


async def test_two_nodes_on_one_redis_count_together(tmp_path, monkeypatch) -> None:
    redis = RedisServer(tmp_path)
    redis.start()
    monkeypatch.setenv("WAYPOST_STORE_URL", redis.url)
    try:
        async with two_pools(tmp_path, SOMEWHERE, SOMEWHERE, SILENT) as scene:
            other = free_address("127.0.0.18")
            async with second_node(scene, other):
                await crowd(scene.proxy, other)
                await counted(scene.config, {f"sip:{DIALLED}": (2, 4)})
    finally:
        redis.kill()


@contextlib.asynccontextmanager
async def second_node(scene: TwoPools, address) -> AsyncIterator[None]:
    """The same configuration at another address."""
    text = scene.config.read_text()
    text = text.replace("{}:{}".format(*scene.proxy), "{}:{}".format(*address))
    folder = scene.config.with_name("second")
    folder.mkdir()
    config = folder / "waypost.toml"
    config.write_text(text)
    node = Service(config, folder / "serve.log")
    await node.start(address)
    try:
        yield
    finally:
        await node.stop()
