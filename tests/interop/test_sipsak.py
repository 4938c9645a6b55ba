"""sipsak asks for a sign of life, counts the hops to the pool, and registers."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interop.exchange import PASSWORDS, Exchange, exchange
from tests.support.program import run_program


async def sipsak(world: Exchange, user: str, *words: str) -> tuple[int, str]:
    """Its exit status and what it said, asked about a user, or about us."""
    target = f"{user}@localhost" if user else world.host
    where = f"{world.host}:{world.port}"
    line = ("sipsak", *words, "-p", where, "-s", f"sip:{target}:{world.port}")
    return await run_program(*line, seconds=20)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Exchange]:
    """Of a domain that sipsak need not look up; it drops the fifth digit of a port."""
    async with exchange(tmp_path, "MD5", local=True) as made:  # it knows no other
        yield made


async def test_a_ping_is_answered_by_us_and_by_the_pool(world: Exchange) -> None:
    for times, transport in enumerate(("udp", "tcp"), 1):
        code, said = await sipsak(world, "", "-v", "-E", transport)
        assert (code, said.count("SIP/2.0 200 OK")) == (0, 1)
        assert "\nServer:" not in said
        code, _ = await sipsak(world, "lobby", "-E", transport)
        assert code == 0
        assert len(world.front_end.requests("OPTIONS")) == times
        code, said = await sipsak(world, "nobody", "-v", "-E", transport)
        assert (code, said.count("SIP/2.0 404 ")) == (1, 1)
    # A trace: we are one hop, the pool is the next.
    code, said = await sipsak(world, "lobby", "-T", "-v")
    statuses = re.findall(r"^\d+: .*SIP/2\.0 (\d+)", said, re.M)
    assert (code, statuses) == (0, ["483", "200"]), said
    assert world.front_end.requests("OPTIONS")[-1].get("Max-Forwards") == "0"


async def test_it_registers_with_the_right_password_only(world: Exchange) -> None:
    contact = "sip:alice@127.0.0.63:5099"
    words = ("-U", "-i", "-C", contact, "-x", "120", "-u", "alice", "-a")
    code, said = await sipsak(world, "alice", *words, "wrong")
    assert code != 0
    assert await world.bound() == {}
    for transport in ("udp", "tcp"):
        right = ("-E", transport, *words, PASSWORDS["alice"])
        code, said = await sipsak(world, "alice", *right)
        assert code == 0, said
        assert await world.bound() == {"alice@localhost": [contact]}
