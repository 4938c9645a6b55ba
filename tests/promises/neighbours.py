"""R10: peers that behave badly, and what the others notice."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator

from proxy.lab.front_end import FrontEndServer
from tests.promises import vandal
from tests.promises.model import Outcome, Room
from tests.promises.scene import Callers, PoolScene, failed, part, pool_scene

RATE = 100
FACTOR = 2.0
FLOOR = 0.002
"""Seconds of p99 below which nothing is compared: two processes share each core."""


def bad_peers(room: Room) -> Outcome:
    """R10: calls beside each kind of bad peer, in turn with calls in peace."""
    return asyncio.run(_run(room))


async def _run(room: Room) -> Outcome:
    seconds = 60 if room.is_long else 6
    front_end = FrontEndServer("fe1", "127.0.95.1")
    await front_end.start()
    figures, is_held = [], True
    try:
        address = (front_end.host, front_end.port)
        async with (
            pool_scene(room.directory / "scene", [address]) as scene,
            Callers(scene.proxy) as callers,
        ):
            _have_a_machine_of_our_own()
            await callers.run(RATE, 2)
            for kind in vandal.KINDS:
                peace = await callers.run(RATE, seconds)
                async with _vandal(kind, scene, seconds + 3):
                    beside = await callers.run(RATE, seconds)
                before = part([call.answered_after for call in peace], 0.99)
                after = part([call.answered_after for call in beside], 0.99)
                lost = failed(peace) + failed(beside)
                good = lost == 0 and after <= max(FACTOR * before, FLOOR)
                is_held &= good
                figures.append(
                    f"{kind} {before * 1000:.1f} to {after * 1000:.1f} ms"
                    + (f", {lost} failed" if lost else "")
                )
    finally:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, 0)
        await front_end.stop()
    return Outcome(is_held, "p99 in peace and beside: " + "; ".join(figures))


def _have_a_machine_of_our_own() -> None:
    """Callers and front end do not wait while the proxy works, as they would not: each
    is another machine.  Where that is not allowed they do."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)


@contextlib.asynccontextmanager
async def _vandal(kind: str, scene: PoolScene, seconds: float) -> AsyncIterator[None]:
    """A process that behaves badly until the block ends."""
    host, port = scene.proxy
    line = ("-m", "tests.promises.vandal", kind, host, str(port), str(seconds))
    child = await asyncio.create_subprocess_exec(
        sys.executable, *line, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    await child.stdout.readline()  # it has begun
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
