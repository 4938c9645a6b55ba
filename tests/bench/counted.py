"""`make bench-count`: instructions and system calls of one call, counted and not timed.

The same scripted calls through each build, every message on its own.  callgrind counts
what the service executes for them, strace what it asks of the kernel.  Neither depends
much on what else the machine does, so a change of a per cent shows where time tells
nothing.  What the service does when nobody calls is measured and taken off.
"""

import argparse
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.proxies import BUILT, SAME_WORK, running
from tests.bench.scripted import script
from tests.bench.world import World, enter

MESSAGES = 17  # of a call, in and out
NO_TAPE = "[recorder]\nmegabytes = 0\n"
LOADS = {"bare": SAME_WORK + NO_TAPE, "plain": SAME_WORK, "all": ""}
SLOWER = 0.03  # the clock, under callgrind
SETTLED = 0.7 / SLOWER  # until the ledger has been saved once more
IDLE = 10.0
FEW = 0.05  # a system call made less often than that is nobody's habit


def instructions(
    world: World, waypost: Path, more: str, calls: int, profile: Path, transport: str
) -> float:
    """Instructions of a call, with what is done for it later; callgrind's ``profile``
    of them ends in ``.2``."""
    # On a slow clock, so that so many calls a second come as are wanted: what is done
    # every quarter of a second must not be counted for five calls.
    tool = ["env", f"LD_PRELOAD={_faketime()}", f"FAKETIME=+0 x{SLOWER}"]
    tool += ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
    tool.append(f"--callgrind-out-file={profile}")
    name = f"waypost={waypost}"
    with (
        running(name, world, "invite", transport, more, tool) as pid,
        script(transport) as load,
    ):

        def order(*words: str) -> None:
            line = ["callgrind_control", *words, str(pid)]
            subprocess.run(line, check=True, stdout=subprocess.DEVNULL)

        load.calls(60)  # what is only done once, and the caches of lines
        order("-i", "on")
        load.calls(20)
        time.sleep(SETTLED)
        order("-z")
        began = time.monotonic()
        time.sleep(IDLE)
        order("-d")
        idle = time.monotonic() - began
        load.repeated = 0
        began = time.monotonic()
        load.calls(calls)
        spent = time.monotonic() - began
        time.sleep(SETTLED)
        order("-d")
        passed = time.monotonic() - began
        if load.repeated:
            print(f"not sound: {load.repeated} messages were repeated")
    print(f"  {calls / spent / SLOWER:.0f} calls a second of its clock")
    rest, busy = (_total(Path(f"{profile}.{number}")) for number in (1, 2))
    return (busy - rest * passed / idle) / calls


def _faketime() -> Path:
    """Its library: the wrapper leaves semaphores behind when it is ended."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise RuntimeError("no libfaketime: apt-get install faketime")
    return found[0]


def _total(path: Path) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(("totals:", "summary:")):
            return int(line.split()[1])
    raise RuntimeError(f"{path} has no totals")


def system_calls(
    world: World, waypost: Path, more: str, calls: int, transport: str
) -> dict[str, float]:
    """System calls of a call, by name."""
    name = f"waypost={waypost}"
    with (
        running(name, world, "invite", transport, more) as pid,
        script(transport) as load,
    ):
        load.calls(60)
        found = _traced(pid, lambda: load.calls(calls), world.directory / "strace")
    return {x: count / calls for x, count in found.items() if count > FEW * calls}


def _traced(pid: int, work: Callable[[], None], report: Path) -> dict[str, int]:
    line = ["strace", "-c", "-f", "-o", str(report), "-p", str(pid)]
    with subprocess.Popen(line, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        tracer.stderr.readline()  # "attached"
        work()
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
    rows = [row.split() for row in report.read_text().splitlines()]
    return {
        row[-1]: int(row[3])
        for row in rows
        if len(row) > 4 and re.fullmatch(r"\d+", row[3]) and row[-1] != "total"
    }


def main(arguments: list[str]) -> int:
    """Count what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="make bench-count ARGS=...", description=__doc__
    )
    parser.add_argument(
        "--build", action="append", metavar="PATH", help="a waypost command"
    )
    parser.add_argument("--load", action="append", choices=list(LOADS))
    parser.add_argument("--transport", choices=["udp", "tcp"], default="udp")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--profile", metavar="DIRECTORY", help="keep callgrind's files")
    parser.add_argument("--only", choices=["instructions", "system-calls"])
    options = parser.parse_args(arguments)
    enter(arguments, "tests.bench.counted")
    print(f"{'load':<7}{'instructions':>13}{'a message':>11}  system calls, build")
    for build in options.build or [str(BUILT)]:
        for load in options.load or list(LOADS):
            with World() as world:
                path = Path(build).absolute()
                more, count, kernel = LOADS[load], 0.0, dict[str, float]()
                kept = Path(options.profile or world.directory)
                if options.only != "system-calls":
                    build_name = f"{path.parent.parent.name}.{load}"
                    name = f"callgrind.{build_name}.{options.transport}"
                    profile = kept / name
                    count = instructions(
                        *(world, path, more, options.calls, profile, options.transport)
                    )
                if options.only != "instructions":
                    kernel = system_calls(
                        *(world, path, more, options.calls, options.transport)
                    )
            told = ", ".join(
                f"{name} {each:.1f}" for name, each in sorted(kernel.items())
            )
            print(
                f"{load:<7}{count:>13,.0f}{count / MESSAGES:>11,.0f}"
                f"  {sum(kernel.values()):.1f} ({told})\n  {build}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
