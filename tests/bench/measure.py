"""What a process tree costs, and what else the machine was doing, from /proc."""

import os
import time
from pathlib import Path

PROC = Path("/proc")
CORES = os.cpu_count() or 1
TICK = os.sysconf("SC_CLK_TCK")
QUIET = 0.25  # cores that others may use


def tree(root: int) -> set[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = {root}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_seconds(pids: set[int]) -> float:
    """CPU time of these processes to the nanosecond, over all their threads."""
    total = 0
    for pid in pids:
        for schedstat in (PROC / str(pid) / "task").glob("*/schedstat"):
            try:
                total += int(schedstat.read_text().split()[0])
            except OSError:
                continue
    return total / 1e9


def page_faults(pids: set[int]) -> int:
    """How often these processes touched memory that they did not have yet."""
    total = 0
    for pid in pids:
        try:
            stat = (PROC / str(pid) / "stat").read_text()
        except OSError:
            continue
        total += int(stat.rpartition(")")[2].split()[7])
    return total


def memory_mib(pids: set[int]) -> float:
    """Resident memory in MiB; pages that processes share count once (PSS)."""
    kib = 0
    for pid in pids:
        try:
            rollup = (PROC / str(pid) / "smaps_rollup").read_text()
        except OSError:
            continue
        kib += sum(
            int(line.split()[1])
            for line in rollup.splitlines()
            if line.startswith("Pss:")
        )
    return kib / 1024


class Others:
    """How many cores others use from now on.

    Ours are all processes of this process's own namespace: the bench runs in one.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._idle = _idle_seconds()
        self._ours = cpu_seconds(_ours())
        self._ended = _children_seconds()

    def cores(self) -> float:
        """The mean since the start."""
        wall = time.monotonic() - self._started
        busy = CORES * wall - (_idle_seconds() - self._idle)
        ours = cpu_seconds(_ours()) - self._ours
        ours += _children_seconds() - self._ended
        return max(busy - ours, 0.0) / wall


def wait_for_quiet(patience: float) -> None:
    """Wait until others leave the machine alone for a second, but not for ever."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        others = Others()
        time.sleep(1)
        if others.cores() < QUIET:
            return


def _ours() -> set[int]:
    return tree(os.getpid())


def _children_seconds() -> float:
    """CPU time of our children that have ended: the callers, mostly."""
    times = os.times()
    return times.children_user + times.children_system


def _idle_seconds() -> float:
    """Idle time of all cores; exact, where busy time is only sampled."""
    fields = (PROC / "stat").read_text().split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / TICK
