"""`waypost lab` as a person starts it."""

import asyncio
import json
import signal
from pathlib import Path

from proxy.lab.service import command


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
    async with asyncio.timeout(30):
        while b"Ctrl-C ends it" not in seen:
            line = await lab.stdout.readline()
            assert line, "it ended by itself"
            seen += line
    assert b"every step arrived" in seen
    lab.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(lab.wait(), 30) == 0
