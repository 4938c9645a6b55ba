"""sipsak asks for a sign of life, counts the hops to the pool, and registers."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.lab.service import waypost
from proxy.lab.setting import POOL
from tests.interop.exchange import PASSWORDS, Exchange, exchange

LOBBY = "lobby"


async def sipsak(world: Exchange, user: str, *words: str) -> tuple[int, str]:
    """Its exit status and what it said, asked about a user at our address."""
    target = f"{user}@{world.host}" if user else world.host
    child = await asyncio.create_subprocess_exec(
        *("sipsak", *words, "-s", f"sip:{target}:{world.port}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(20):
            said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return await child.wait(), said.decode()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Exchange]:
    """A domain that is an address: sipsak looks every other one up in DNS."""
    async with exchange(tmp_path, by_address=True) as made:
        words = ("--pool-fqdn", POOL)
        lobby = f"sip:{LOBBY}@{made.host}"
        await waypost(made.config, "endpoint", "new", "--sip-address", lobby, *words)
        yield made


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_ping_is_answered_by_us_and_by_the_pool(
    world: Exchange, transport: str
) -> None:
    code, said = await sipsak(world, "", "-v", "-E", transport)
    assert (code, said.count("SIP/2.0 200 OK")) == (0, 1)
    assert "\nServer:" not in said
    code, _ = await sipsak(world, LOBBY, "-E", transport)
    assert code == 0
    assert len(world.front_end.requests("OPTIONS")) == 1
    code, said = await sipsak(world, "nobody", "-v", "-E", transport)
    assert (code, said.count("SIP/2.0 404 ")) == (1, 1)


async def test_a_trace_sees_us_as_one_hop_before_the_pool(world: Exchange) -> None:
    code, said = await sipsak(world, LOBBY, "-T", "-v")
    hops = re.findall(r"^(\d+): .*SIP/2\.0 (\d+)", said, re.M)
    assert (code, [status for _, status in hops]) == (0, ["483", "200"]), said
    (arrived,) = world.front_end.requests("OPTIONS")
    assert arrived.get("Max-Forwards") == "0"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_registers_with_the_right_password_only(
    world: Exchange, transport: str
) -> None:
    contact = "sip:alice@127.0.0.63:5099"
    words = ("-U", "-i", "-E", transport, "-C", contact, "-x", "120", "-a")
    code, said = await sipsak(world, "alice", *words, "wrong")
    assert code != 0
    assert await world.bound() == {}
    code, said = await sipsak(world, "alice", *words, PASSWORDS["alice"])
    assert code == 0, said
    assert await world.bound() == {f"alice@{world.host}": [contact]}
