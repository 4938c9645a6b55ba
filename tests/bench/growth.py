"""`make bench-growth`: what a call costs, and how much memory is held, as things grow.

One thing grows at a time, the others stay as they are: calls a second, endpoints,
bindings, front ends that DNS names, client connections that say nothing but a
keep-alive, workers.  Each curve should be flat.  Waypost as installed, access log,
ledger and recorder on.  ``--page FILE`` writes the table, and the plot beside it.

All of it takes some twenty minutes.  ``--kept FILE`` keeps each point once it has been
measured, and ``--within SECONDS`` begins none after that time; the same command again
goes on with what is missing, or was noisy.  So a few minutes on a quiet machine at a
time are enough.  Of several ``--rounds`` the run in the middle counts.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from proxy.lab.setting import ALIAS
from proxy.store import open_store
from tests.bench.crowd import Crowd, most_clients
from tests.bench.generator import front_end_for, load
from tests.bench.growth_page import Point, page, plot, table
from tests.bench.measure import (
    Others,
    cpu_seconds,
    memory_mib,
    tree,
    wait_for_quiet,
)
from tests.bench.proxies import running
from tests.bench.store import put
from tests.bench.world import World, enter

NOISY = 0.25
SIZES = {
    "calls/s": (200, 500, 1000, 2000),
    "endpoints": (10, 10_000, 100_000),
    "bindings": (10, 100_000),
    "front ends": (2, 32),
    "TCP clients": (1000, 20_000),
    "TLS clients": (1000, 20_000),
    "workers": (1, 2),
}
SMALL = {
    "calls/s": (200, 400),
    "endpoints": (10, 10_000),
    "bindings": (10, 1000),
    "front ends": (2, 32),
    "TCP clients": (50, 500),
    "TLS clients": (50, 200),
    "workers": (1, 2),
}
REGISTRAR = """
[registrar]
enabled = true
trusted_networks = ["127.0.0.0/8"]
"""
LIMITS = """
[limits]
connections = {0}
connections_per_source = {0}
connections_per_network = {0}
"""


@dataclass(slots=True)
class Pace:
    """How long and how fast each point is measured."""

    rate: int
    warm: int
    seconds: int
    patience: int


def endpoints(count: int) -> Callable[[Path], None]:
    """Endpoints beside the alias, each as it is."""
    alias = ALIAS.partition(":")[2]

    def fill(path: Path) -> None:
        with sqlite3.connect(path) as db:
            (body,) = db.execute("SELECT body FROM endpoints").fetchone()
            names = (f"chat{number}@contoso.test" for number in range(count - 1))
            db.executemany(
                "INSERT INTO endpoints VALUES (?, ?)",
                ((name, body.replace(alias, name)) for name in names),
            )
        db.close()

    return fill


def bindings(count: int) -> Callable[[Path], None]:
    """Registered users who are at home."""

    async def save(path: Path) -> None:
        store = await open_store(f"sqlite:///{path}")
        for first in range(0, count, 500):
            group = range(first, min(first + 500, count))
            await store.save_bindings([put(number) for number in group])
        await store.close()

    return lambda path: asyncio.run(save(path))


def calls(what: str, size: int, pace: Pace) -> Point:
    """One point of a curve along which calls are made."""
    rate, more, fill = pace.rate, "", None
    name, clients, front_ends = "waypost-default", 1, 2
    if what == "calls/s":
        rate = size
    elif what == "endpoints":
        fill = endpoints(size)
    elif what == "bindings":
        more, fill = REGISTRAR, bindings(size)
    elif what == "front ends":
        front_ends = size
    elif what == "workers":
        # The kernel deals sockets out to workers, so there must be many.
        more, clients = f"[server]\nworkers = {size}\n", 32
    with (
        World(front_ends) as world,
        front_end_for(world, "invite", "udp"),
        running(name, world, "invite", "udp", more, fill=fill) as pid,
    ):
        load(world, "invite", "udp", (rate, pace.warm), clients)
        wait_for_quiet(pace.patience)
        pids = tree(pid)
        before, others = cpu_seconds(pids), Others()
        seen = load(world, "invite", "udp", (rate, pace.seconds), clients)
        spent, memory = cpu_seconds(pids) - before, memory_mib(pids)
        is_noisy = others.cores() > NOISY
    cost = spent * 1000 / max(seen.good, 1)
    note = f"{seen.failed} failed" if seen.failed else ""
    return Point(what, size, cost, memory, is_noisy, note)


def crowd(what: str, size: int, pace: Pace) -> Point:
    """Connections that only keep themselves alive: memory, CPU, and a restart."""
    transport = what.partition(" ")[0].lower()
    more = LIMITS.format(size + 1000)
    with World() as world, Crowd(world, transport, size) as clients:
        with running("waypost-default", world, "invite", transport, more) as pid:
            empty = memory_mib(tree(pid))
            clients.connect()
            wait_for_quiet(pace.patience)
            pids = tree(pid)
            before, others, began = cpu_seconds(pids), Others(), time.monotonic()
            clients.keep_alive(pace.seconds)
            passed = time.monotonic() - began
            share = (cpu_seconds(pids) - before) / passed
            memory = memory_mib(pids)
            is_noisy = others.cores() > NOISY
        clients.lost()
        with running("waypost-default", world, "invite", transport, more):
            began = time.monotonic()
            clients.connect()
            back = time.monotonic() - began
    each = (memory - empty) * 1024 / size
    note = (
        f"{each:.1f} KiB each; all back {back:.1f} s after a restart; "
        f"{100 * share:.1f} % of a core for a keep-alive of each in {pace.seconds} s"
    )
    return Point(what, size, None, memory, is_noisy, note)


def within(what: str, sizes: tuple[int, ...]) -> list[int]:
    """The sizes, no more clients than this machine can hold open."""
    if not what.endswith(" clients"):
        return list(sizes)
    most = most_clients()
    return [min(size, most) for size in sizes]


class Kept:
    """What has been measured so far, in a file if one is named."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._runs: dict[tuple[str, int], list[Point]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                self._take(Point(**json.loads(line)))

    def _take(self, run: Point) -> None:
        self._runs.setdefault((run.what, run.size), []).append(run)

    def add(self, run: Point) -> None:
        """Keep one run of a point."""
        self._take(run)
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(run)) + "\n")

    def runs(self, what: str, size: int) -> int:
        """How many runs of a point there are."""
        return len(self._runs.get((what, size), ()))

    def sound(self, what: str, size: int) -> int:
        """How many runs of a point were quiet."""
        return sum(not run.is_noisy for run in self._runs.get((what, size), ()))

    def point(self, what: str, size: int) -> Point | None:
        """The run in the middle, of the quiet ones if there are any."""
        runs = self._runs.get((what, size), [])
        best = [run for run in runs if not run.is_noisy] or runs
        best.sort(key=lambda run: run.cost or run.memory)
        return best[(len(best) - 1) // 2] if best else None


def measure_missing(
    wanted: list[tuple[str, int]], kept: Kept, pace: Pace, rounds: int, within: float
) -> None:
    """One round after the other: each point that has too few quiet runs, as long as
    there is time; first those that have none at all."""
    end = time.monotonic() + within
    for enough in range(1, rounds + 1):
        for what, size in sorted(wanted, key=lambda each: kept.runs(*each)):
            if kept.sound(what, size) >= enough:
                continue
            if time.monotonic() >= end:
                return
            run = (crowd if what.endswith(" clients") else calls)(what, size, pace)
            kept.add(run)
            print(table([run]).splitlines()[-1], flush=True)


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="make bench-growth ARGS=...", description=__doc__
    )
    parser.add_argument("--small", action="store_true", help="a few sizes, for a try")
    parser.add_argument("--only", action="append", choices=list(SIZES))
    parser.add_argument("--rate", type=int, default=1000, help="calls per second")
    parser.add_argument("--warm", type=int, default=6, help="seconds of warm-up")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--patience", type=int, default=45)
    parser.add_argument("--rounds", type=int, default=1, help="runs of each point")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="go on with these")
    parser.add_argument("--within", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--page", type=Path, metavar="FILE", help="and FILE.svg")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, and write what was measured; 3 when a point is still missing."""
    options = parsed(arguments)
    enter(arguments, "tests.bench.growth")
    sizes = SMALL if options.small else SIZES
    wanted = [(x, size) for x in options.only or sizes for size in within(x, sizes[x])]
    pace = Pace(options.rate, options.warm, options.seconds, options.patience)
    kept = Kept(options.kept)
    measure_missing(wanted, kept, pace, options.rounds, options.within)
    found = [point for each in wanted if (point := kept.point(*each)) is not None]
    print(table(found))
    if options.page is not None:
        picture = options.page.with_suffix(".svg")
        picture.write_text(plot(found))
        options.page.write_text(page(found, picture.name, pace.rate))
    left = len(wanted) - len(found)
    if left:
        print(f"{left} of {len(wanted)} points are missing: run it again")
    return 3 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
