"""sipp as the load: callers on one side of the proxy, a front end on the other."""

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.tunnel import secured, tunnel
from tests.bench.world import CALLER, DOMAIN, FRONT_ENDS, World
from tests.sipp.messages import lines_of, response_times

HERE = Path(__file__).parent
OTHERS = HERE.parent / "sipp"
"""Scenarios that are not made for the bench: no timers in them, names as keys."""
TRANSPORT = {"udp": "u1", "tcp": "t1", "tls": "t1"}  # TLS is stunnel's work


@dataclass(slots=True)
class Load:
    """What the callers saw; times in milliseconds, sorted."""

    good: int
    failed: int
    retransmitted: int
    times: list[float]


def sipp(
    world: World, scenario: str, transport: str, *rest: str, grid: int = 1
) -> list[str]:
    """A sipp command line; ``grid`` are the milliseconds between two looks at calls."""
    path = HERE / f"{scenario}.xml"
    if not path.exists():
        path = OTHERS / path.name
        rest = ("-s", "ocschat", "-key", "domain", DOMAIN, *rest)
    if transport == "tls":
        path = secured(path, world)
    return [
        *("sipp", "-sf", str(path), "-t", TRANSPORT[transport]),
        # New calls on a grid of 1 ms.  sipp's own is 10 ms: calls then come in bunches
        # of ten, and a wake-up looks ten times cheaper than it is.
        *("-nostdin", "-max_socket", "1000", "-timer_resol", str(grid)),
        *("-buff_size", "4194304", "-deadcall_wait", "4000", *rest),
    ]


def environment(world: World) -> dict[str, str]:
    """sipp's environment: with a fine clock where there is a C compiler."""
    library = world.directory / "fine_clock.so"
    compiler = shutil.which("cc")
    if compiler and not library.exists():
        line = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library)]
        line += [str(HERE / "fine_clock.c"), "-ldl"]
        subprocess.run(line, check=False, capture_output=True)
    return (
        {**os.environ, "LD_PRELOAD": str(library)}
        if library.exists()
        else {**os.environ}
    )


def load(
    world: World,
    scenario: str,
    transport: str,
    pace: tuple[int, float],
    clients: int = 1,
) -> Load:
    """Call at ``pace`` (calls a second, seconds).

    Each client is a socket of its own: the kernel deals sockets out to workers.
    """
    for old in (*world.directory.glob("*_rtt.csv"), *world.directory.glob("short*")):
        old.unlink()
    callers = [
        _caller(world, scenario, transport, pace, client, clients)
        for client in range(clients)
    ]
    seen = Load(0, 0, 0, [])
    for client, caller in enumerate(callers):
        caller.wait(pace[1] + 60)
        with _statistics(world, client).open() as file:
            row = list(csv.DictReader(file, delimiter=";"))[-1]
        seen.good += int(row["SuccessfulCall(C)"])
        seen.failed += int(row["FailedCall(C)"])
        seen.retransmitted += int(row["Retransmissions(C)"])
    for path in world.directory.glob("*_rtt.csv"):
        with path.open() as file:
            seen.times += [float(line.split(";")[1]) for line in list(file)[1:]]
    for path in world.directory.glob("short*"):
        seen.times += response_times(lines_of(path))
    seen.times.sort()
    return seen


def _statistics(world: World, client: int) -> Path:
    return world.directory / f"uac{client}.csv"


def _caller(
    world: World,
    scenario: str,
    transport: str,
    pace: tuple[int, float],
    client: int,
    clients: int,
) -> "subprocess.Popen[bytes]":
    """One sipp client with its part of the calls."""
    rate, seconds = pace
    calls, statistics_file = int(rate * seconds) // clients, _statistics(world, client)
    statistics_file.unlink(missing_ok=True)
    line = sipp(
        world,
        f"uac_{scenario}",
        transport,
        *("-i", CALLER, "-p", str(5070 + 2 * client), "-m", str(calls)),
        *("-r", str(rate), "-rp", str(1000 * clients), "-l", str(calls)),
        *("-trace_stat", "-stf", str(statistics_file), "-fd", "1"),
        *_timed(scenario, client),
        *("-recv_timeout", "8000"),
        "{}:{}".format(*(world.tunnel if transport == "tls" else world.proxy)),
        # Many clients that look at their few calls each millisecond are a load of
        # their own; with so few calls each, nothing comes in bunches.
        grid=1 if clients < 16 else 8,
    )
    return subprocess.Popen(
        line,
        cwd=world.directory,
        env=environment(world),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _timed(scenario: str, client: int) -> tuple[str, ...]:
    """Response times by sipp itself, or from its trace where it has no timer."""
    if (HERE / f"uac_{scenario}.xml").exists():
        return ("-trace_rtt", "-rtt_freq", "100")
    return ("-trace_shortmsg", "-shortmessage_file", f"short{client}.csv")


@contextmanager
def front_end_for(
    world: World, scenario: str, transport: str, *others: World
) -> Iterator[None]:
    """The sipp that answers behind the proxy; a REGISTER goes no further.

    For TLS the stunnel that callers and front end need as well, also of proxies
    beside this one (``others``).
    """
    if transport == "tls":
        with tunnel(world, *others), _front_end(world, scenario, transport):
            yield
    else:
        with _front_end(world, scenario, transport):
            yield


@contextmanager
def _front_end(world: World, scenario: str, transport: str) -> Iterator[None]:
    if scenario == "register":
        yield
        return
    host, port = FRONT_ENDS[0]
    front_end = subprocess.Popen(
        sipp(world, f"uas_{scenario}", transport, "-i", host, "-p", str(port)),
        cwd=world.directory,
        env=environment(world),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        front_end.kill()
        front_end.wait()
