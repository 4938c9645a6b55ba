"""Two services side by side, under load in turn; what they spend is read each time."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.generator import front_end_for, load
from tests.bench.measure import cpu_seconds, memory_mib, page_faults, tree
from tests.bench.paired import ORDERS, SIDES, Round, Slice
from tests.bench.proxies import running
from tests.bench.world import World


@dataclass(frozen=True, slots=True)
class Side:
    """What is measured: a ``waypost`` command and more of its configuration."""

    command: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Load:
    """The load: what is called, how many times a second, for how long at a time."""

    scenario: str
    transport: str
    rate: int
    seconds: float
    clients: int = 1


class Pair:
    """Two running services; ``pids`` are the processes of each."""

    def __init__(
        self, worlds: dict[str, World], pids: dict[str, set[int]], load: Load
    ) -> None:
        self._worlds = worlds
        self._pids = pids
        self._load = load

    def rest(self, seconds: float) -> dict[str, float]:
        """CPU seconds a second of each while nobody calls."""
        before = self._spent()
        time.sleep(seconds)
        return {x: (now - before[x]) / seconds for x, now in self._spent().items()}

    def slice(self, side: str, seconds: float | None = None) -> Slice:
        """Put one of them under load."""
        what = self._load
        pace = what.rate, what.seconds if seconds is None else seconds
        began, before = time.monotonic(), self._spent()
        world = self._worlds[side]
        seen = load(world, what.scenario, what.transport, pace, what.clients)
        cpu = {x: now - before[x] for x, now in self._spent().items()}
        passed = time.monotonic() - began
        counts = seen.good, seen.failed, seen.retransmitted
        return Slice(side, *counts, passed, cpu, seen.times)

    def rounds(self, count: int) -> Iterator[Round]:
        """A B B A, B A A B, and so on."""
        for number in range(count):
            order = ORDERS[number % len(ORDERS)]
            yield Round([self.slice(side) for side in order])

    def memory(self) -> dict[str, float]:
        """MiB that each holds now."""
        return {side: memory_mib(pids) for side, pids in self._pids.items()}

    def faults(self) -> dict[str, int]:
        """Page faults of each so far."""
        return {side: page_faults(pids) for side, pids in self._pids.items()}

    def _spent(self) -> dict[str, float]:
        return {side: cpu_seconds(pids) for side, pids in self._pids.items()}


@contextmanager
def both(world: World, sides: Mapping[str, Side], load: Load) -> Iterator[Pair]:
    """Start the two, on addresses of their own before the same front end."""
    worlds = {side: world.beside(number) for number, side in enumerate(SIDES)}
    with contextlib.ExitStack() as stack:
        kind = load.scenario, load.transport
        stack.enter_context(front_end_for(world, *kind, *worlds.values()))
        pids = {}
        for side in SIDES:
            what = sides[side]
            service = running(f"waypost={what.command}", worlds[side], *kind, what.more)
            pids[side] = tree(stack.enter_context(service))
        yield Pair(worlds, pids, load)
