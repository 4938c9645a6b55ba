"""sipp's scenarios through the running proxy: no call may fail."""

from pathlib import Path

import pytest

from tests.sipp.runner import Sipp
from tests.support.scene import FRONT_END_HOSTS, scene_under_test, waypost_scene

CALLER = "127.0.0.41"
WATCHED = "127.0.0.44"
REGISTRAR = '[registrar]\nenabled = true\ntrusted_networks = ["127.0.0.0/8"]\n'
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


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_pool_subscribes_to_a_client_that_has_registered(
    tmp_path: Path, transport: str
) -> None:
    """SUBSCRIBE and NOTIFY the other way round, with the same two files."""
    async with waypost_scene(tmp_path, [], extra=REGISTRAR) as scene:
        signing_in = Sipp(
            tmp_path,
            "uac_register",
            WATCHED,
            transport=transport,
            remote=scene.proxy,
            calls=1,
        )
        await signing_in.start()
        outcome = await signing_in.wait(20)
        assert outcome.successful == 1, outcome.errors  # it is user1 now
        client = Sipp(
            tmp_path,
            "uas_subscribe",
            WATCHED,
            transport=transport,
            port=signing_in.port,
        )
        await client.start()
        try:
            pool = Sipp(
                tmp_path,
                "uac_subscribe",
                FRONT_END_HOSTS[0],
                transport=transport,
                remote=scene.proxy,
                calls=20,
                rate=20,
                service="user1",
            )
            await pool.start()
            outcome = await pool.wait(20)
        finally:
            await client.stop()
    assert (outcome.successful, outcome.failed) == (20, 0), outcome.errors
