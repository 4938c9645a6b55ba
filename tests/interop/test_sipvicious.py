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
from tests.support.program import run_program

USERS = ("alice", "bob")
NOBODY = [f"nobody{number}" for number in range(30)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Exchange]:
    async with exchange(tmp_path, "MD5") as made:
        yield made


async def scan(program: str, *words: str) -> str:
    """What a program of the suite prints in the end."""
    line = (program, "-v", "-x", "127.0.0.1", "-P", "5099", *words)
    _, said = await run_program(*line, seconds=40)
    return said


async def dial(world: Exchange, method: str, names: list[str], *words: str) -> str:
    """`svwar` tries names at our address with a method."""
    names_file = world.config.with_name(f"{method}-{names[0]}")
    names_file.write_text("\n".join(names) + "\n")
    where = f"udp://{world.host}:{world.port}"
    options = ("-m", method, "-d", str(names_file), "--domain", "contoso.test")
    return await scan("svwar", *options, *words, where)


def found(said: str) -> dict[str, str]:
    """The table at its end: name → what it takes it for."""
    rows = re.findall(r"^\| (\S+) +\| (\S+) +\|$", said, re.M)
    return {name: kind for name, kind in rows if name != "Extension"}


async def test_a_scan_learns_no_product_and_no_user(world: Exchange) -> None:
    world.front_end.behaviour = Behaviour(mode="answer", status=486)
    names = (*USERS, "ocschat", "nobody")
    devices, all_of_them, invited, *each = await asyncio.gather(
        scan("svmap", "-p", str(world.port), world.host),
        dial(world, "REGISTER", [*NOBODY, *USERS]),
        dial(world, "INVITE", [*USERS, "ocschat"]),
        *(dial(world, "REGISTER", [name], "--force") for name in names),
    )
    assert found(devices) == {f"{world.host}:{world.port}": "unknown"}, devices
    assert "authentication request for an unknown extension" in all_of_them
    assert found(all_of_them) == {}
    answers = set()
    for name, said in zip(names, each, strict=True):
        assert found(said) == {}
        (answer,) = re.findall(r"Response: '(SIP/2\.0 401 .*)'", said)
        answer = answer.replace(name, "NAME")
        # Without what is new each time: its branch, tag and Call-ID, our tag and nonce.
        answers.add(re.sub(r'(Via: |tag=|Call-ID: |nonce=").*?\\r', "", answer))
    assert len(answers) == 1, answers
    # An INVITE does tell the alias, and nobody who is not there at the moment.
    assert found(invited) == {"ocschat": "weird"}, invited
    assert len(await world.front_end.wait_for("ACK")) == 1


async def test_a_scan_finds_the_alias_and_is_slowed_down(world: Exchange) -> None:
    began = time.monotonic()
    said = await dial(world, "OPTIONS", [*USERS, "ocschat", *NOBODY])
    assert found(said) == {"ocschat": "noauth"}, said
    # It ends three seconds after the last answer, and that was two seconds late.
    assert time.monotonic() - began > 4.9
    lines = await world.finished("OPTIONS")
    statuses = {str(line["aor"]).partition("@")[0]: line["status"] for line in lines}
    assert {statuses[name] for name in (*USERS, *NOBODY)} == {404}
    assert world.scene.log.read_text().count('"event": "source.scanning"') == 1
    assert 'waypost_suspects_total{what="scanning"} 1' in await world.metrics()
    # A pool that is down does not hide it.
    await world.front_end.stop()
    for _ in range(3):
        said = await dial(world, "OPTIONS", ["ocschat"])
        # It waits three seconds for its first answer, which is now held back for two.
        if "socket error: timed out" not in said:
            break
    assert found(said) == {"ocschat": "weird"}, said
    assert (await world.finished("OPTIONS"))[-1]["status"] == 504
