"""`make bench-capacity`: the calls a second that each proxy carries, when every process
of it has the same part of a core.

sipp shares the machine, so on few cores two workers never get twice the processor.
Here each process of a proxy is held to ``--share`` of a core (cgroup ``cpu``; needs
root), which leaves room for the load: two such processes are two slow cores.  The rate
goes up until calls fail or messages are repeated, and is then narrowed down.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.__main__ import REPEATED
from tests.bench.generator import front_end_for, load
from tests.bench.measure import cpu_seconds, tree, wait_for_quiet
from tests.bench.proxies import NAMES, running
from tests.bench.world import World, enter

CGROUPS = Path("/sys/fs/cgroup")
PERIOD = 5_000  # microseconds: short, so that a held process is not late by much
PROXIES = ["waypost", "waypost-2", "kamailio-qm", "kamailio-qm-2"]
STEP = 1.25
NARROWINGS = 3


@contextmanager
def held(pids: set[int], share: float) -> Iterator[None]:
    """Hold each process, with all its threads, to a share of a core."""
    quota = int(PERIOD * share)
    is_old = (CGROUPS / "cpu" / "cgroup.procs").exists()
    parent = CGROUPS / "cpu" if is_old else CGROUPS
    groups = [parent / f"waypost-bench-{os.getpid()}-{pid}" for pid in sorted(pids)]
    try:
        try:
            for group, pid in zip(groups, sorted(pids), strict=True):
                group.mkdir()
                if is_old:
                    (group / "cpu.cfs_period_us").write_text(str(PERIOD))
                    (group / "cpu.cfs_quota_us").write_text(str(quota))
                else:
                    (group / "cpu.max").write_text(f"{quota} {PERIOD}")
                (group / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            sys.exit(
                f"cannot hold processes to a part of a core ({error}): run as root"
            )
        yield
    finally:
        for group, pid in zip(groups, sorted(pids), strict=True):
            with contextlib.suppress(OSError):
                (parent / "cgroup.procs").write_text(str(pid))
            with contextlib.suppress(OSError):
                group.rmdir()


def is_clean(world: World, name: str, rate: int, options: argparse.Namespace) -> bool:
    """A run at this rate through a proxy that knows of no other; prints how it was."""
    transport, scenario = options.transport, options.scenario
    with (
        front_end_for(world, scenario, transport),
        running(name, world, scenario, transport) as pid,
    ):
        load(world, scenario, transport, (100, 2), options.clients)
        wait_for_quiet(30)
        pids = tree(pid)
        pace = rate, options.seconds
        with held(pids, options.share):
            before = cpu_seconds(pids)
            seen = load(world, scenario, transport, pace, options.clients)
            spent = cpu_seconds(pids) - before
    clean = not seen.failed and seen.retransmitted <= REPEATED * seen.good
    print(
        f"  {rate:>6} calls/s: {seen.failed} failed, {seen.retransmitted} repeated,"
        f" {1000 * spent / max(seen.good, 1):.3f} CPU s per 1,000",
        flush=True,
    )
    return clean


def highest(world: World, name: str, options: argparse.Namespace) -> int:
    """The highest clean rate, to about three per cent; 0 when none was clean."""
    good, bad = 0, 0
    rate = options.start
    while not bad and rate:
        if is_clean(world, name, rate, options):
            good = rate
            rate = int(rate * STEP)
        elif good:
            bad = rate
        else:
            rate //= 2
    for _ in range(NARROWINGS):
        rate = (good + bad) // 2
        if rate and is_clean(world, name, rate, options):
            good = rate
        else:
            bad = rate
    return good


def main(arguments: list[str]) -> int:
    """Measure each proxy in turn; a line for each at the end."""
    parser = argparse.ArgumentParser(
        prog="make bench-capacity ARGS=...",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--share", type=float, default=0.3, help="of a core, a process")
    parser.add_argument("--start", type=int, default=400, help="calls/s to begin with")
    parser.add_argument("--seconds", type=int, default=8, help="of each run")
    parser.add_argument("--clients", type=int, default=64, help="sockets that call")
    parser.add_argument("--scenario", default="invite", choices=["invite", "subscribe"])
    parser.add_argument("--transport", default="udp", choices=["udp", "tcp"])
    parser.add_argument("--proxy", action="append", choices=list(NAMES))
    options = parser.parse_args(arguments)
    enter(arguments, "tests.bench.capacity")
    found: dict[str, int] = {}
    for name in options.proxy or PROXIES:
        print(NAMES[name], flush=True)
        with World() as world:
            found[name] = highest(world, name, options)
    print(f"\n{options.share:.2f} of a core for each process:")
    for name, rate in found.items():
        single = found.get(name.removesuffix("-2")) if name.endswith("-2") else None
        times = f"  {rate / single:.2f} times one" if single else ""
        print(f"  {NAMES[name]:<34}{rate:>6} calls/s{times}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
