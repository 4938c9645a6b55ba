"""Load through two front ends while one of them is killed and comes back.

Short in the suite; `make soak` runs it as long and as fast as the promise is made:
500 calls a second for a minute.
"""

import asyncio
import os
from pathlib import Path

import pytest

from tests.sipp.runner import Sipp
from tests.support.scene import FRONT_END_HOSTS, scene_under_test

LOAD = os.environ.get("WAYPOST_SOAK", "200x9")  # calls/s x seconds
RATE, SECONDS = (int(part) for part in LOAD.split("x"))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_no_call_fails_while_the_first_front_end_dies_and_comes_back(
    tmp_path: Path, transport: str
) -> None:
    first, second = (
        Sipp(tmp_path, "uas_failover", host, transport=transport, name=f"fe{number}")
        for number, host in enumerate(FRONT_END_HOSTS, 1)
    )
    await first.start()
    await second.start()
    again = Sipp(
        tmp_path,
        "uas_failover",
        first.host,
        transport=transport,
        port=first.port,
        name="fe1-again",
    )
    try:
        targets = [(first.host, first.port), (second.host, second.port)]
        async with scene_under_test()(tmp_path, targets) as scene:
            caller = Sipp(
                tmp_path,
                "uac_failover",
                "127.0.0.42",
                transport=transport,
                remote=scene.proxy,
                calls=RATE * SECONDS,
                rate=RATE,
            )
            await caller.start()
            await asyncio.sleep(SECONDS / 3)
            await first.stop()
            await asyncio.sleep(SECONDS / 3)
            await again.start()
            outcome = await caller.wait(SECONDS + 30)
    finally:
        for front_end in (first, second, again):
            await front_end.stop()
    assert (outcome.successful, outcome.failed) == (RATE * SECONDS, 0), outcome.errors
    assert second.outcome().created, "the second front end was never needed"
    if SECONDS >= 60:  # it stays ejected longer than the short run lasts
        assert again.outcome().created, "the first front end was not used again"
