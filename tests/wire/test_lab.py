"""`waypost lab` as a person starts it."""

import asyncio
import json
import re
import signal
from pathlib import Path

import httpx

from proxy.lab.service import command
from proxy.lab.setting import ALIAS, free_address
from tests.support.shapes import judge_document


async def _start(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command(*words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_the_lab_plays_the_journey_once_and_leaves_with_success() -> None:
    lab = await _start("--json", "lab", "--once")
    output, errors = await asyncio.wait_for(lab.communicate(), 30)
    assert lab.returncode == 0, errors.decode()
    report = json.loads(output)
    assert report["ok"]
    assert [step["front_end"] for step in report["steps"][1:]] == ["fe1"] * 11
    assert not Path(report["config"]).exists(), "it cleans up"


async def test_a_weekend_is_played_to_its_end() -> None:
    lab = await _start("--json", "lab", "--migration", "--once")
    output, errors = await asyncio.wait_for(lab.communicate(), 180)
    assert lab.returncode == 0, (output, errors.decode())
    report = json.loads(output)
    judge_document("lab", report)
    reached = [part["front_end"] for part in report["parts"]]
    *until_killed, last = [name for name in reached if name]
    assert report["ok"] and until_killed == ["old", "fe1", "fe2", "old"]
    # The front end that was killed may still be out.
    assert last in ("fe1", "fe2")
    typed = [line for part in report["parts"] for line in part["typed"]]
    assert typed[:3] == [
        "waypost cutover apply weekend.toml",  # refused: it comes too early
        "waypost cutover plan weekend.toml",
        "waypost cutover apply weekend.toml",
    ]
    assert {"waypost cutover rollback", "waypost cutover confirm"} < set(typed)
    assert not Path(report["config"]).exists(), "it cleans up"


async def test_a_weekend_that_is_interrupted_takes_everything_down() -> None:
    lab = await _start("lab", "--migration")
    assert lab.stdout is not None
    seen = b""
    async with asyncio.timeout(60):
        while b"all arrived at old" not in seen:
            line = await lab.stdout.readline()
            assert line, seen.decode()
            seen += line
    lab.send_signal(signal.SIGINT)
    rest = await asyncio.wait_for(lab.stdout.read(), 30)
    assert await lab.wait() == 130 and b"stopped" in rest
    where = re.search(rb"proxy +([\d.]+):(\d+)", seen)
    assert where is not None
    # Nobody holds the address any more.
    address = (where[1].decode(), int(where[2]))
    assert free_address(*address) == address


async def test_the_lab_stays_up_until_it_is_told_to_stop() -> None:
    lab = await _start("lab")
    assert lab.stdout is not None
    seen = b""
    async with asyncio.timeout(60):
        while b"Ctrl-C ends it" not in seen:
            line = await lab.stdout.readline()
            assert line, "it ended by itself"
            seen += line
    assert b"every step arrived" in seen
    url, link = re.search(rb"console +(http://\S+)\n.*\n +(http\S+)", seen).groups()
    assert link.startswith(url + b"/sign-in#")
    body = {"token": link.partition(b"#")[2].decode()}
    async with httpx.AsyncClient(base_url=url.decode(), timeout=20) as browser:
        answer = await browser.post("/api/v1/session", json=body)
        assert answer.json()["role"] == "admin", answer.text
        (found,) = (await browser.get("/api/v1/endpoints")).json()
        assert found["sip_address"] == ALIAS
    lab.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(lab.wait(), 30) == 0
