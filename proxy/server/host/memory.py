"""How much memory this process may use, and how it is shared out.

The limit is ``[limits] memory``, or else that of the unit or the container (cgroup, v2
or v1), or else a quarter of the machine (decision 85).  A third is for requests and
answers, and a tenth for connections that send in parts or do not read.  The rest is for
the program, its connections and what it knows.

``keep_tables_apart`` keeps what was given back from staying with the process.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from proxy.transaction.budget import OVERHEAD

SUPERVISOR: Final = 32 * 1024 * 1024
MOST_TRANSACTIONS: Final = 200_000
_LEAST: Final = 4 * 1024 * 1024
_CGROUPS: Final = Path("/sys/fs/cgroup")
_TRIM_THRESHOLD: Final = -1  # these two are from malloc.h
_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 1024 * 1024


class Shares(NamedTuple):
    """Bytes for what is held of requests and in buffers; transactions at one time."""

    requests: int
    buffers: int
    transactions: int


def shares(wanted: int, transactions: int, workers: int = 1) -> Shares:
    """What one process may hold; ``wanted`` bytes for the node, 0 for what there is.

    ``transactions`` of the node as configured, 0 for as many as fit.
    """
    limit = wanted or memory_limit()
    if workers > 1:
        limit = max(limit - SUPERVISOR, limit // 2) // workers
    requests = max(limit // 3, _LEAST)
    if transactions:
        most = -(-transactions // workers)
    else:
        most = min(requests // OVERHEAD, -(-MOST_TRANSACTIONS // workers))
    return Shares(requests, max(limit // 10, _LEAST), most)


def memory_limit(
    groups: Path = Path("/proc/self/cgroup"), mounted: Path = _CGROUPS
) -> int:
    """Bytes: the least limit of our control groups, or a quarter of the machine."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = [each for each in _limits(groups, mounted) if each < machine]
    return min(found, default=machine // 4)


def _limits(groups: Path, mounted: Path) -> Iterator[int]:
    with suppress(OSError):
        for line in groups.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                names, root = ["memory.max", "memory.high"], mounted
            elif "memory" in controllers.split(","):
                names, root = ["memory.limit_in_bytes"], mounted / "memory"
            else:
                continue
            # In a container this may be the path as the host sees it, so try its
            # parents as well.
            folder = root / path.lstrip("/")
            for each in (folder, *folder.parents):
                if each != root and root not in each.parents:
                    break
                for name in names:
                    with suppress(OSError, ValueError):  # "max": no limit
                        yield int((each / name).read_text())


def keep_tables_apart() -> None:
    """Have each block of a megabyte or more mapped by itself, as long as we run.

    These are tables, which Python makes anew when they are full.  Once such a block has
    been given back, the allocator of glibc takes all later ones of its size out of its
    one heap, where each leaves a hole for smaller blocks to settle in.  Over 300,000
    calls that was 20 MiB (docs/performance.md).  Other allocators do as they do.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _LARGE)
        # With the one threshold the other no longer moves either.  Its first value
        # would have the end of the heap given back and taken again all the time.
        mallopt(_TRIM_THRESHOLD, 2 * _LARGE)
