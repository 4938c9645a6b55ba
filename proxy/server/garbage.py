"""Garbage collection off the message path, and not too late (decisions 32 and 95).

Reference counts free transactions and contexts: what ends drops its references.  A
collection would walk over a hundred thousand live objects and stop the proxy for 50 ms,
again and again (docs/performance.md).  So the few cycles are collected when little is
going on, and at the latest every ten minutes.

They are also collected when memory has grown, because an unforeseen error path may make
cycles as fast as requests come.  Memory that the live transactions explain does not
count as growth: otherwise a load that begins would cause a collection that finds
nothing.
"""

import asyncio
import gc
import os
from typing import Final

from proxy.server.host.memory import keep_tables_apart
from proxy.server.runtime import Runtime

LOOK: Final = 2.0
IDLE, BUSY = 60.0, 600.0
FEW: Final = 2_000
"""Live transactions up to which a collection takes a few milliseconds."""
GROWTH: Final = 48 * 1024 * 1024
"""Bytes of resident memory since the last collection that are reason for another."""
EACH: Final = 512
"""Bytes that a live transaction takes, with its answer, as measured (at 100,000)."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def settle_memory() -> None:
    """Take the collector off the message path, once everything is loaded."""
    keep_tables_apart()
    gc.collect()
    gc.freeze()
    gc.disable()


class Collector:
    """Decides when to collect; pure."""

    def __init__(self, resident: int) -> None:
        self._base = resident
        self._waited = 0.0
        self.collections = 0

    def is_due(self, passed: float, live: int, resident: int) -> bool:
        """Whether to collect now.

        ``passed`` are the seconds since the last question, ``live`` the transactions,
        and ``resident`` the bytes of memory in use.
        """
        self._waited += passed
        unexplained = resident - live * EACH
        if unexplained > self._base + GROWTH:
            return True
        # After memory was given back, growth counts from the lower level.
        self._base = min(self._base, unexplained)
        return self._waited >= (IDLE if live < FEW else BUSY)

    def collected(self, resident: int, live: int = 0) -> None:
        """A collection is done: the memory still held counts as in use."""
        self._base = resident - live * EACH
        self._waited = 0.0
        self.collections += 1


async def collect_garbage(runtime: Runtime) -> None:
    """Look for cycles, for ever."""
    collector = Collector(resident_bytes())
    while True:
        await asyncio.sleep(LOOK)
        live = len(runtime.core.transactions)
        if collector.is_due(LOOK, live, resident_bytes()):
            gc.collect()
            collector.collected(resident_bytes(), live)


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return 0
