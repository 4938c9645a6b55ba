"""What a scanner learns: sipvicious against our registrar and our aliases.

What `docs/protocol.md` says under "What a stranger learns".
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.lab.front_end import Behaviour
from tests.interop.exchange import Exchange, exchange

USERS = ("alice", "bob")
NOBODY = [f"nobody{number}" for number in range(30)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(tmp_path, "MD5") as made:
        yield made


async def scan(program: str, *words: str) -> str:
    """What a program of the suite prints in the end."""
    child = await asyncio.create_subprocess_exec(
        *(program, "-v", "-x", "127.0.0.1", "-P", "5099", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(40):
            said, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return said.decode()


async def dial(world: Exchange, method: str, names: list[str], *words: str) -> str:
    """`svwar` tries names at our address with a method."""
    names_file = world.config.with_name(f"names-{names[0]}")
    names_file.write_text("\n".join(names) + "\n")
    where = f"udp://{world.host}:{world.port}"
    options = ("-m", method, "-d", str(names_file), "--domain", "contoso.test")
    return await scan("svwar", *options, *words, where)


def found(said: str) -> dict[str, str]:
    """The table at its end: name → what it takes it for."""
    rows = re.findall(r"^\| (\S+) +\| (\S+) +\|$", said, re.M)
    return {name: kind for name, kind in rows if name != "Extension"}


async def test_a_scan_of_addresses_finds_us_and_no_product(world: Exchange) -> None:
    said = await scan("svmap", "-p", str(world.port), world.host)
    assert found(said) == {f"{world.host}:{world.port}": "unknown"}, said


async def test_an_answer_to_register_tells_no_user_from_nobody(world: Exchange) -> None:
    said = await dial(world, "REGISTER", [*USERS, *NOBODY])
    assert "authentication request for an unknown extension" in said
    assert found(said) == {}
    names = (*USERS, "ocschat", "nobody")
    each = (dial(world, "REGISTER", [name], "--force") for name in names)
    answers = set()
    for name, said in zip(names, await asyncio.gather(*each), strict=True):
        assert found(said) == {}
        (answer,) = re.findall(r"Response: '(SIP/2\.0 401 .*)'", said)
        answer = answer.replace(name, "NAME")
        # Without what is new each time: its branch, tag and Call-ID, our tag and nonce.
        answers.add(re.sub(r'(Via: |tag=|Call-ID: |nonce=").*?\\r', "", answer))
    assert len(answers) == 1, answers


@pytest.mark.parametrize("is_up", [True, False])
async def test_a_scan_finds_the_alias_and_is_slowed_down(
    world: Exchange, is_up: bool
) -> None:
    if not is_up:
        await world.front_end.stop()
    began = time.monotonic()
    said = await dial(world, "OPTIONS", [*USERS, "ocschat", *NOBODY])
    assert found(said) == {"ocschat": "noauth" if is_up else "weird"}, said
    # It ends three seconds after the last answer, and that was two seconds late.
    assert time.monotonic() - began > 4.9
    lines = await world.finished("OPTIONS")
    statuses = {str(line["aor"]).partition("@")[0]: line["status"] for line in lines}
    assert statuses["ocschat"] == (200 if is_up else 504)
    assert {statuses[name] for name in (*USERS, *NOBODY)} == {404}
    assert world.scene.log.read_text().count('"event": "source.scanning"') == 1
    assert 'waypost_suspects_total{what="scanning"} 1' in await world.metrics()


async def test_an_invite_finds_the_alias_alone(world: Exchange) -> None:
    world.front_end.behaviour = Behaviour(mode="answer", status=486)
    said = await dial(world, "INVITE", [*USERS, "ocschat"])
    assert found(said) == {"ocschat": "weird"}, said
    assert len(await world.front_end.wait_for("ACK")) == 1
