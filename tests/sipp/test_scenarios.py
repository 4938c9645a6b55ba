"""sipp's scenarios through the running proxy: no call may fail."""

from pathlib import Path

import pytest

from tests.sipp.runner import Sipp
from tests.support.scene import FRONT_END_HOSTS, scene_under_test

CALLER = "127.0.0.41"
SCENARIOS = (
    "journey",
    "subscribe",
    "cancel",
    "message",
    "long",
    "pool_bye",
)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_every_call_of_the_scenario_succeeds(
    tmp_path: Path, scenario: str, transport: str
) -> None:
    front_end = Sipp(
        tmp_path, f"uas_{scenario}", FRONT_END_HOSTS[0], transport=transport
    )
    await front_end.start()
    try:
        async with scene_under_test()(
            tmp_path, [(front_end.host, front_end.port)]
        ) as scene:
            caller = Sipp(
                tmp_path,
                f"uac_{scenario}",
                CALLER,
                transport=transport,
                remote=scene.proxy,
                calls=20,
                rate=20,
            )
            await caller.start()
            outcome = await caller.wait(20)
    finally:
        await front_end.stop()
    assert (outcome.successful, outcome.failed) == (20, 0), outcome.errors
