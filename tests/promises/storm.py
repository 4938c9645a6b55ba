"""R9: everybody signs in and calls at once, while dialogs go on."""

import asyncio
import contextlib
import re
from collections.abc import Iterator

from proxy.lab.setting import ALIAS, REGISTRAR
from tests.bench.capacity import held
from tests.bench.measure import tree
from tests.chaos.callers import Caller
from tests.promises.model import Outcome, Room
from tests.promises.overload import three_times
from tests.promises.scene import CALLER, Callers, PoolScene, failed, pool_scene
from tests.sipp.runner import Sipp

RATE = 667  # requests a second: 20,000 clients that REGISTER and INVITE in a minute
PROFILES = {
    "as written": (1.0, RATE),
    "three times as fast": (1.0, 3 * RATE),
    "a fifth of a core": (0.2, 3 * RATE),
}
DIALOGS = 40
HOLD = 8.0
RECOVERED_BAR = 60.0
_RETRY = re.compile(rb"(?mi)^Retry-After: *(\d+)")


def sign_in_storm(room: Room) -> Outcome:
    """R9 in three profiles (as written, faster, and with hardly any processor), and
    with three times its capacity in new calls."""
    found = [
        asyncio.run(_storm(room, name, share, rate))
        for name, (share, rate) in PROFILES.items()
    ]
    found.append(three_times(room))
    return Outcome(
        all(each.is_held for each in found), "; ".join(each.figure for each in found)
    )


async def _storm(room: Room, name: str, share: float, rate: int) -> Outcome:
    seconds = 60 if room.is_long else 10
    folder = room.directory / name.replace(" ", "-")
    folder.mkdir()
    front_ends = [
        Sipp(folder, "uas_failover", f"127.0.94.{n}", name=f"fe{n}") for n in (1, 2)
    ]
    for each in front_ends:
        await each.start()
    addresses = [(each.host, each.port) for each in front_ends]
    try:
        async with pool_scene(folder / "scene", addresses, extra=REGISTRAR) as scene:
            # sipp ends a dialog that is silent for 12 s; it knows of no INFO.  So the
            # dialogs end before that, in the storm.
            async with (
                Callers(scene.proxy, HOLD, ("BYE",)) as callers,
                asyncio.TaskGroup() as group,
            ):
                dialogs = group.create_task(callers.run(DIALOGS, 1))
                await asyncio.sleep(1.2)
                with _held(scene, share):
                    shed = await _blow(folder, scene, rate, seconds)
                calls = await dialogs
            recovered = await _recovered(scene)
    finally:
        for each in front_ends:
            await each.stop()
    answered, refused, waits = shed
    lost = failed(calls)
    return Outcome(
        lost == 0 and recovered <= RECOVERED_BAR and all(5 <= x <= 60 for x in waits),
        f"{name}: {lost} of {len(calls)} dialogs lost a request, {answered} sign-ins"
        f" and calls served, {refused} not, {len(waits)} seen with Retry-After,"
        f" over after {recovered:.1f} s",
    )


@contextlib.contextmanager
def _held(scene: PoolScene, share: float) -> Iterator[None]:
    if share >= 1:
        yield
        return
    with held(tree(scene.service.pid), share):
        yield


async def _blow(
    folder: object, scene: PoolScene, rate: int, seconds: int
) -> tuple[int, int, list[int]]:
    """Half of the requests are REGISTERs, half begin calls; what became of them."""
    callers = [
        Sipp(
            *(folder, scenario, host),  # type: ignore[arg-type]
            remote=scene.proxy,
            calls=rate * seconds // 2,
            rate=rate / 2,
        )
        for scenario, host in (
            ("uac_register", "127.0.0.44"),
            ("uac_failover", "127.0.0.45"),
        )
    ]
    for caller in callers:
        await caller.start()
    waits = await _watch(scene, seconds)
    outcomes = [await caller.wait(seconds + 45) for caller in callers]
    return (
        sum(each.successful for each in outcomes),
        sum(each.failed for each in outcomes),
        waits,
    )


async def _watch(scene: PoolScene, seconds: int) -> list[int]:
    """Call now and then ourselves, to see what refused callers are told."""
    caller, waits = Caller([scene.proxy], CALLER, uri=ALIAS), []
    await caller.open()
    try:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        number = 0
        while loop.time() < end:
            number += 1
            request = caller.message(
                *("INVITE", ALIAS, f"watch{number}"),
                *(f"To: <{ALIAS}>", "CSeq: 1 INVITE"),
                f"Contact: <sip:watch@{caller.me}>",
            )
            answer = await caller.ask(request, scene.proxy)
            if answer.startswith(b"SIP/2.0 503"):
                told = _RETRY.search(answer)
                waits.append(int(told[1]) if told else -1)
            await asyncio.sleep(0.05)
    finally:
        caller.close()
    return waits


async def _recovered(scene: PoolScene) -> float:
    """Seconds until ten calls in a row are answered within a second."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with Callers(scene.proxy, inside=("BYE",)) as callers:
        while loop.time() < started + 2 * RECOVERED_BAR:
            begun = loop.time() - started
            calls = await callers.run(20, 0.5)
            if not failed(calls) and max(c.answered_after for c in calls) < 1:
                return begun
    return 2 * RECOVERED_BAR
