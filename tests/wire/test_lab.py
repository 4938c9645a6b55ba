"""`waypost lab` as a person starts it."""

import asyncio
import json
import re
import signal
from pathlib import Path

import httpx

from proxy.lab.service import command
from proxy.lab.setting import ALIAS


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
