"""The usage ledger under load: what sipp counts is what stands in the store."""

import asyncio
import os
import signal
from pathlib import Path

from proxy.admin import control, usage
from proxy.endpoints.changes import EndpointFields
from tests.sipp.runner import Sipp
from tests.support.two_pools import OLD, TwoPools, two_pools

LOAD = os.environ.get("WAYPOST_SOAK_LEDGER", "100x4")  # calls/s x seconds
RATE, SECONDS = (int(part) for part in LOAD.split("x"))
CALLS = RATE * SECONDS
ALIAS = "sip:ocschat@contoso.test"
# Neither access lines nor metrics: the ledger counts all the same.
SILENT = '\n[log]\naccess = false\n[admin]\nlisten = ""\n'
LOSS = 1.0
"""Seconds of counts that kill -9 may take (docs/migration.md)."""


async def call(scene: TwoPools, directory: Path, name: str, calls: int = CALLS) -> int:
    """Users alice1, alice2, ... call once each; how many calls succeeded."""
    caller = Sipp(
        directory,
        "uac_failover",
        "127.0.0.43",
        remote=scene.proxy,
        calls=calls,
        rate=RATE,
        name=name,
    )
    await caller.start()
    outcome = await caller.wait(SECONDS + 30)
    assert outcome.failed == 0, outcome.errors
    return outcome.successful


async def ledger(scene: TwoPools) -> usage.UsageView:
    async with scene.operator() as operator:
        (view,) = await usage.get_usage(operator, ALIAS, is_counted=True)
    return view


async def test_counts_equal_the_calls_and_survive_kill_9(tmp_path: Path) -> None:
    front_end = Sipp(tmp_path, "uas_failover", "127.0.0.25")
    await front_end.start()
    address = (front_end.host, front_end.port)
    try:
        async with two_pools(tmp_path, address, address, SILENT) as scene:
            async with scene.operator() as operator:
                fields = EndpointFields(OLD)
                await control.new_endpoint(operator, ALIAS, fields)
            await asyncio.sleep(0.5)
            done = await call(scene, tmp_path, "first")
            done += await call(scene, tmp_path, "second")
            await asyncio.sleep(LOSS)
            os.kill(scene.service.pid, signal.SIGKILL)
            await scene.service.wait()
            view = await ledger(scene)
    finally:
        await front_end.stop()
    assert done == 2 * CALLS
    assert view.summary.requests == done
    assert view.summary.users == CALLS
    assert {row.count for row in view.rows} == {2}
    assert {row.source for row in view.rows} == {"udp:127.0.0.43"}


async def test_a_retired_endpoint_says_410_with_its_text_and_counts_on(
    tmp_path: Path,
) -> None:
    front_end = Sipp(tmp_path, "uas_failover", "127.0.0.25")
    await front_end.start()
    address = (front_end.host, front_end.port)
    try:
        async with two_pools(tmp_path, address, address, SILENT) as scene:
            async with scene.operator() as operator:
                await control.new_endpoint(operator, ALIAS, EndpointFields(OLD))
                await usage.retire(operator, ALIAS, "Use the new client")
            await asyncio.sleep(0.5)
            caller = Sipp(
                tmp_path,
                "uac_failover",
                "127.0.0.43",
                remote=scene.proxy,
                calls=20,
                rate=RATE,
            )
            await caller.start()
            outcome = await caller.wait(20)
            await scene.service.stop()  # an orderly stop loses nothing
            view = await ledger(scene)
    finally:
        await front_end.stop()
    assert "410 Use the new client" in outcome.errors
    assert (view.summary.requests, {row.failed for row in view.rows}) == (20, {1})
