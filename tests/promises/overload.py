"""R9 once more: three times the capacity in new calls, and what of it is served.

The capacity is found first, in the same run: the most that is served in a second while
the rate rises.  The service has a fifth of a core, so that callers and front ends have
the rest and are not what is measured.
"""

import asyncio
import re
from pathlib import Path

from tests.bench.capacity import held
from tests.bench.measure import tree
from tests.promises.model import Outcome, Room
from tests.promises.scene import Callers, PoolScene, failed, pool_scene
from tests.sipp.runner import Sipp

SHARE = 0.2
FIRST_RATE = 200
STEP = 1.4
SECONDS = 6
TIMES = 3
GOODPUT = 0.8
DIALOGS = 40
_SERVED = re.compile(r'(?m)^waypost_requests_finished_total\{[^}]*"2xx"[^}]*\} (\S+)$')


def three_times(room: Room) -> Outcome:
    """Established dialogs lose nothing, and most of what can be served is."""
    return asyncio.run(_overload(room))


async def _overload(room: Room) -> Outcome:
    folder = room.directory / "overload"
    folder.mkdir()
    front_ends = [
        Sipp(folder, "uas_failover", f"127.0.94.{n}", name=f"fe{n}") for n in (1, 2)
    ]
    for each in front_ends:
        await each.start()
    addresses = [(each.host, each.port) for each in front_ends]
    try:
        async with pool_scene(folder / "scene", addresses) as scene:
            with held(tree(scene.service.pid), SHARE):
                capacity = await _capacity(folder, scene)
                rate = round(TIMES * capacity)
                async with (
                    Callers(scene.proxy, SECONDS + 1.0, ("BYE",)) as callers,
                    asyncio.TaskGroup() as group,
                ):
                    dialogs = group.create_task(callers.run(DIALOGS, 1))
                    await asyncio.sleep(1.5)
                    goodput = await _served_at(folder, scene, rate)
                    calls = await dialogs
    finally:
        for each in front_ends:
            await each.stop()
    lost, share = failed(calls), goodput / capacity
    return Outcome(
        lost == 0 and share >= GOODPUT,
        f"{TIMES} times its capacity in new calls ({rate}/s at {SHARE:g} of a core): "
        f"{lost} of {len(calls)} dialogs lost a request, goodput {goodput:.0f}/s of "
        f"{capacity:.0f}/s at most ({share:.2f})",
    )


async def _capacity(folder: Path, scene: PoolScene) -> float:
    """The most calls a second that are served, at any rate."""
    rate, most = float(FIRST_RATE), 0.0
    while True:
        served = await _served_at(folder, scene, round(rate))
        if served < 0.9 * rate:
            return max(most, served)
        most, rate = max(most, served), rate * STEP


async def _served_at(folder: Path, scene: PoolScene, rate: int) -> float:
    """Calls a second that the service has answered with 200 at a rate."""
    caller = Sipp(
        *(folder, "uac_failover", "127.0.0.45"),
        remote=scene.proxy,
        calls=rate * SECONDS,
        rate=rate,
        name=f"uac-{rate}",
    )
    loop = asyncio.get_running_loop()
    before = await _served(scene)
    await caller.start()
    began = loop.time()
    await asyncio.sleep(SECONDS)
    after = await _served(scene)
    seconds = loop.time() - began
    await caller.wait(45)
    return (after - before) / seconds


async def _served(scene: PoolScene) -> float:
    page = await asyncio.to_thread(scene.page, "/metrics")
    return sum(map(float, _SERVED.findall(page)))
