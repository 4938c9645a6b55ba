"""R10: peers that behave badly, and what the others notice."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from proxy.lab.front_end import FrontEndServer
from tests.promises import vandal
from tests.promises.model import Outcome, Room
from tests.promises.scene import (
    Callers,
    PoolScene,
    failed,
    machines_of_their_own,
    part,
    pool_scene,
)

RATE = 100
FACTOR = 2.0
FLOOR = 0.002
"""Seconds of p99 below which nothing is compared: a tenth of the calls meets another
one of its own callers, in one Python process."""
ROUNDS = 3
"""Peace and harm in turn; the best p99 of each counts, because a busy machine is late
once, and a fault is late each time."""
RECEIVED = "waypost_requests_received_total"


def bad_peers(room: Room) -> Outcome:
    """R10: calls beside each kind of bad peer, in turn with calls in peace."""
    return asyncio.run(_run(room))


async def _run(room: Room) -> Outcome:
    front_end = FrontEndServer("fe1", "127.0.95.1")
    await front_end.start()
    figures, is_held = [], True
    try:
        address = (front_end.host, front_end.port)
        async with (
            pool_scene(room.directory / "scene", [address]) as scene,
            Callers(scene.proxy) as callers,
        ):
            with machines_of_their_own([scene.service.pid]):
                await callers.run(RATE, 2)
                for kind in vandal.KINDS:
                    is_good, figure = await _beside(kind, scene, callers, room.is_long)
                    is_held &= is_good
                    figures.append(figure)
    finally:
        await front_end.stop()
    return Outcome(is_held, "p99 in peace and beside: " + "; ".join(figures))


async def _beside(
    kind: str, scene: PoolScene, callers: Callers, is_long: bool
) -> tuple[bool, str]:
    """One kind of bad peer: whether the others hardly noticed, and how much."""
    seconds = 20.0 if is_long else 2.5
    before, after, lost, heard = [], [], 0, 0.0
    for _ in range(ROUNDS):
        peace = await callers.run(RATE, seconds)
        async with _vandal(kind, scene, seconds + 3):
            count = await asyncio.to_thread(scene.metric, RECEIVED)
            beside = await callers.run(RATE, seconds)
            heard += await asyncio.to_thread(scene.metric, RECEIVED) - count
        before.append(part([call.answered_after for call in peace], 0.99))
        after.append(part([call.answered_after for call in beside], 0.99))
        lost += failed(peace) + failed(beside)
    best, worse = min(before), min(after)
    # The callers' own requests: INVITE, ACK, INFO and BYE.
    pace = heard / (ROUNDS * seconds) - 4 * RATE
    figure = f"{kind} {best * 1000:.1f} to {worse * 1000:.1f} ms"
    if pace > RATE:
        figure += f" ({round(pace, -2):.0f} messages/s)"
    if lost:
        figure += f", {lost} failed"
    return lost == 0 and worse <= max(FACTOR * best, FLOOR), figure


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
