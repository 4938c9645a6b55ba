"""`waypost lab`: the proxy on its embedded default, with a small world around it.

A DNS zone, two pool front ends and a legacy client in this process; the real
`waypost serve` and the real verbs as child processes.  It plays the legacy journey, or
a whole migration, prints what happened hop by hop, and stays up until Ctrl-C (or
leaves, with `once`).
"""

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from proxy.cli.screen.output import is_unicode
from proxy.journey.journey import Journey
from proxy.journey.legacy_client import LegacyClient
from proxy.lab import ladder
from proxy.lab.migration import Migration
from proxy.lab.service import ServiceError
from proxy.lab.setting import ALIAS, choose
from proxy.lab.world import World

STOPPED = 130
"""The exit code of what Ctrl-C ended before it was done."""


def run(once: bool, json_output: bool, *, migration: bool = False) -> int:
    """Run the lab; 0 when every step of the journey, or of the migration, arrived.

    ``once`` leaves after that; ``json_output`` prints one JSON object in place of what
    a person reads.
    """
    console = Console(quiet=json_output, highlight=False)
    if not console.is_terminal:
        console.width = 132
    with tempfile.TemporaryDirectory(prefix="waypost-lab-") as directory:
        try:
            world = World(choose(Path(directory)), console)
            play = _migrate if migration else _journey
            return asyncio.run(play(world, once=once, json_output=json_output))
        except ServiceError as problem:
            print(f"waypost lab: {problem}", file=sys.stderr)
            return 1


def _stop_signals() -> asyncio.Event:
    """Set by Ctrl-C and SIGTERM, so that everything is taken down in order."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _journey(world: World, *, once: bool, json_output: bool) -> int:
    """One legacy client's start."""
    stop = _stop_signals()
    async with world.up():
        journey = Journey(LegacyClient(world.setting.proxy), ALIAS)
        await journey.play()
        _report(world, journey, json_output)
        if not once:
            return await world.stay(stop)
    return 0 if journey.ok else 1


def _report(world: World, journey: Journey, json_output: bool) -> None:
    if json_output:
        steps = [ladder.describe(s, world.front_ends) for s in journey.steps]
        report = {
            "ok": journey.ok,
            "config": str(world.setting.config),
            "steps": steps,
        }
        print(json.dumps(report), flush=True)
        return
    say = world.console.print
    say("[bold]A legacy Group Chat client starts up:[/bold]", highlight=False)
    rows = ladder.render(
        journey.steps, world.front_ends, world.console.width, is_unicode()
    )
    say(rows, soft_wrap=True)
    ladder.show_route(world.console, world.front_ends)
    if journey.ok:
        say("\n[green]every step arrived[/green]")
        return
    say("\n[red]the journey broke[/red]; the proxy's log ends:")
    say(world.service.tail(), markup=False, highlight=False)


async def _migrate(world: World, *, once: bool, json_output: bool) -> int:
    """The weekend; Ctrl-C ends it at any point of it."""
    stop = _stop_signals()
    async with world.up(endpoint=False):
        migration = Migration(world)
        playing = asyncio.ensure_future(migration.play())
        ending = asyncio.ensure_future(stop.wait())
        await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not playing.done():
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)
            world.console.print("\nstopped")
            return STOPPED
        await playing
        if json_output:
            print(json.dumps(migration.as_json()), flush=True)
        if not once:
            return await world.stay(stop, "cutover status", "calls", "status")
    return 0 if migration.ok else 1
