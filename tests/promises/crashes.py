"""R5 and R6: `kill -9`, what is there afterwards, and the dialogs that went on."""

import asyncio
import os
import re
import signal

from proxy.lab.front_end import FrontEndServer
from tests.promises.model import Outcome, Room
from tests.promises.scene import Callers, failed, pool_scene
from tests.promises.suites import run_tests

START_BAR = 1.0
PACE, SECONDS, HOLD = 50, 4, 4.0


def kills(room: Room) -> Outcome:
    """R5: kills under registrations and cutovers, and the start after them."""
    number = "200" if room.is_long else "20"
    is_held, passed, output = run_tests(
        *("tests/cli/commands/test_cutover_kill.py", "tests/wire/test_registrar.py"),
        *("tests/sipp/test_register.py", "-k", "kill_9 or 20_000"),
        WAYPOST_KILLS=number,
    )
    started = re.search(r"ready after ([\d.]+) s", output)
    seconds = float(started[1]) if started else 99.0
    return Outcome(
        is_held and seconds <= START_BAR,
        f"{number} kills under registrations, {number} under cutovers: {passed} checks"
        f" passed; ready after {seconds:.2f} s with 20,000 bindings",
    )


def dialogs_across_a_restart(room: Room) -> Outcome:
    """R6: INVITE before, INFO and BYE after."""
    return asyncio.run(_dialogs(room))


async def _dialogs(room: Room) -> Outcome:
    front_ends = [FrontEndServer(f"fe{n}", f"127.0.91.{n}") for n in (1, 2)]
    for each in front_ends:
        await each.start()
    addresses = [(each.host, each.port) for each in front_ends]
    try:
        async with (
            pool_scene(room.directory / "scene", addresses) as scene,
            Callers(scene.proxy, hold=HOLD) as callers,
            asyncio.TaskGroup() as group,
        ):
            running = group.create_task(callers.run(PACE, SECONDS))
            await asyncio.sleep(SECONDS - 0.5)
            loop = asyncio.get_running_loop()
            killed = loop.time()
            os.kill(scene.service.pid, signal.SIGKILL)
            await scene.service.wait()
            await scene.service.start(scene.proxy)
            away = loop.time() - killed
            calls = await running
    finally:
        for each in front_ends:
            await each.stop()
    across = [c for c in calls if c.established_at and c.established_at < killed]
    lost = [call for call in across if call.failed]
    return Outcome(
        len(across) > PACE and not lost,
        f"{len(across)} dialogs across a restart of {away:.2f} s: {len(lost)} lost a"
        f" request; {failed(calls) - len(lost)} of {len(calls) - len(across)} calls"
        " begun meanwhile failed",
    )
