"""R12: steady calls, and what is left of them."""

import asyncio
import math
import time

from tests.bench.measure import memory_mib, tree
from tests.promises.model import Outcome, Room
from tests.promises.scene import pool_scene
from tests.sipp.runner import Sipp

BAR = 1.0  # MB an hour
FULL = 160.0
"""Seconds of load after which all that is bounded has been full once.  An answer is
kept for 32 s, and a list of timers is cut when half of it is over, so at 64 s.  The
allocator needs some of these lives to find its level."""


def steady_calls(room: Room) -> Outcome:
    """R12: memory at the end of each part of the load, and a minute after it."""
    return asyncio.run(_run(room))


async def _run(room: Room) -> Outcome:
    # The short check has some minutes only: what grows with calls is seen, what grows
    # with time is not.
    rate, parts, seconds = (100, 12, 300) if room.is_long else (400, 13, 15)
    front_end = Sipp(room.directory, "uas_failover", "127.0.93.1", name="fe")
    await front_end.start()
    memory, lost, started = [], 0, time.monotonic()
    try:
        address = (front_end.host, front_end.port)
        async with pool_scene(room.directory / "scene", [address]) as scene:
            processes = tree(scene.service.pid)
            for number in range(parts):
                caller = Sipp(
                    *(room.directory, "uac_failover", "127.0.0.43"),
                    remote=scene.proxy,
                    calls=rate * seconds,
                    rate=rate,
                    name=f"caller{number}",
                )
                await caller.start()
                lost += (await caller.wait(seconds + 60)).failed
                memory.append(memory_mib(processes))
            hours = (time.monotonic() - started) / 3600
            await asyncio.sleep(60 if room.is_long else 35)
            left = scene.metric("waypost_transactions")
            idle = memory_mib(processes)
    finally:
        await front_end.stop()
    first = max(math.ceil(FULL / seconds) - 1, len(memory) // 2)
    later = memory[first:]
    rise = max(later[-1] - later[0], 0.0)
    slope = rise / (hours * (len(later) - 1) / len(memory))
    calls = rate * seconds * parts
    # Minutes say nothing of an hour: there the rise itself is compared.
    is_flat = slope < BAR if room.is_long else rise < BAR
    per_hour = f" ({slope:.2f} MB an hour)" if room.is_long else ""
    return Outcome(
        is_flat and left == 0 and lost == 0,
        f"{calls} calls, {lost} failed: {later[0]:.1f} to {later[-1]:.1f} MiB from"
        f" {(first + 1) * seconds} s on{per_hour}, {idle:.1f} idle,"
        f" {left:.0f} transactions left",
    )
