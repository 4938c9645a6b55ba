"""`make bench`: CPU per call of Waypost against Kamailio, same work, same run.

sipp calls through the proxy to a sipp front end that the proxy finds over DNS SRV.
The figure is CPU seconds of all the proxy's processes per 1,000 calls at a fixed rate,
after a warm-up at the same rate, from the scheduler's own account.  Calls per second
would say more about the generator, which shares the machine.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.measure import cpu_seconds, memory_mib, tree
from tests.bench.proxies import NAMES, running
from tests.bench.world import CALLER, FRONT_ENDS, PROXY, World, enter

HERE = Path(__file__).parent
TRANSPORT = {"udp": "u1", "tcp": "t1"}
SCENARIOS = ["invite", "subscribe", "register"]


@dataclass(slots=True)
class Figure:
    """One measured run."""

    proxy: str
    scenario: str
    transport: str
    rate: int
    calls: int
    failed: int
    cpu_per_1000: float
    memory_mib: float
    p50_ms: float
    p99_ms: float


def sipp(scenario: str, transport: str, *rest: str) -> list[str]:
    """A sipp command line."""
    return [
        *("sipp", "-sf", str(HERE / f"{scenario}.xml"), "-t", TRANSPORT[transport]),
        *("-nostdin", "-max_socket", "1000", *rest),
    ]


def load(
    world: World, scenario: str, transport: str, rate: int, seconds: int
) -> tuple[int, int, list[float]]:
    """Call for some seconds; calls that succeeded and failed, response times (ms)."""
    for old in world.directory.glob("*_rtt.csv"):
        old.unlink()
    calls, statistics_file = rate * seconds, world.directory / "uac.csv"
    statistics_file.unlink(missing_ok=True)
    line = sipp(
        f"uac_{scenario}",
        transport,
        *("-i", CALLER, "-p", "5070", "-m", str(calls), "-r", str(rate)),
        *("-l", str(calls), "-trace_stat", "-stf", str(statistics_file), "-fd", "1"),
        *("-trace_rtt", "-rtt_freq", "100", "-recv_timeout", "8000"),
        "{}:{}".format(*PROXY),
    )
    subprocess.run(
        line,
        cwd=world.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=seconds + 60,
        check=False,
    )
    with statistics_file.open() as file:
        row = list(csv.DictReader(file, delimiter=";"))[-1]
    times: list[float] = []
    for path in world.directory.glob("*_rtt.csv"):
        with path.open() as file:
            times += [float(line.split(";")[1]) for line in list(file)[1:]]
    return int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"]), sorted(times)


@contextmanager
def front_end_for(world: World, scenario: str, transport: str) -> Iterator[None]:
    """The sipp that answers behind the proxy; a REGISTER goes no further."""
    if scenario == "register":
        yield
        return
    host, port = FRONT_ENDS[0]
    front_end = subprocess.Popen(
        sipp(f"uas_{scenario}", transport, "-i", host, "-p", str(port)),
        cwd=world.directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        front_end.kill()
        front_end.wait()


def measure(
    world: World, name: str, scenario: str, transport: str, options: argparse.Namespace
) -> Figure:
    """One proxy, one scenario: warm up, then measure."""
    with (
        front_end_for(world, scenario, transport),
        running(name, world, scenario) as pid,
    ):
        load(world, scenario, transport, options.rate, options.warm)
        pids = tree(pid)
        before = cpu_seconds(pids)
        good, bad, times = load(
            world, scenario, transport, options.rate, options.seconds
        )
        spent, memory = cpu_seconds(pids) - before, memory_mib(pids)
    at = [times[int(len(times) * share)] if times else 0.0 for share in (0.5, 0.99)]
    cost = spent * 1000 / max(good, 1)
    return Figure(name, scenario, transport, options.rate, good, bad, cost, memory, *at)


def runs(options: argparse.Namespace) -> Iterator[Figure]:
    """Every run that was asked for, the proxies in turn within one round."""
    with World() as world:
        for transport in options.transport:
            for scenario in options.scenario:
                for _ in range(options.repeat):
                    for name in options.proxy:
                        yield measure(world, name, scenario, transport, options)


def table(figures: list[Figure]) -> str:
    """The medians, with ratios to Kamailio as shipped (qm) and with fm."""
    groups: dict[tuple[str, str], dict[str, list[Figure]]] = {}
    for figure in figures:
        group = groups.setdefault((figure.scenario, figure.transport), {})
        group.setdefault(figure.proxy, []).append(figure)
    lines = []
    for (scenario, transport), proxies in groups.items():
        lines.append(f"\n{scenario} over {transport}, {figures[0].rate} calls/s")
        lines += rows(proxies)
    return "\n".join(lines)


def rows(proxies: dict[str, list[Figure]]) -> Iterator[str]:
    """The head and a line per proxy."""
    yield (
        f"  {'':<32}{'CPU s/1000':>11}{'× qm':>7}{'× fm':>7}"
        f"{'MiB':>8}{'× qm':>7}{'failed':>9}{'p50 ms':>9}{'p99 ms':>9}"
    )

    def median(name: str, what: str) -> float:
        return statistics.median(getattr(figure, what) for figure in proxies[name])

    def ratio(name: str, what: str, base: str) -> str:
        if base not in proxies:
            return "-"
        return f"{median(name, what) / median(base, what):.2f}"

    for name, group in proxies.items():
        yield (
            f"  {NAMES[name]:<32}{median(name, 'cpu_per_1000'):>11.3f}"
            f"{ratio(name, 'cpu_per_1000', 'kamailio-qm'):>7}"
            f"{ratio(name, 'cpu_per_1000', 'kamailio-fm'):>7}"
            f"{median(name, 'memory_mib'):>8.0f}"
            f"{ratio(name, 'memory_mib', 'kamailio-qm'):>7}"
            f"{sum(figure.failed for figure in group):>9}"
            f"{median(name, 'p50_ms'):>9.1f}{median(name, 'p99_ms'):>9.1f}"
        )


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; 1 when a call failed."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="calls per second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--warm", type=int, default=6, help="seconds of warm-up")
    parser.add_argument("--repeat", type=int, default=1, help="rounds; medians count")
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--transport", action="append", choices=list(TRANSPORT))
    parser.add_argument("--proxy", action="append", choices=list(NAMES))
    parser.add_argument("--json", metavar="FILE", help="append every run, a line each")
    options = parser.parse_args(arguments)
    options.scenario = options.scenario or SCENARIOS[:2]
    options.transport = options.transport or list(TRANSPORT)
    options.proxy = options.proxy or list(NAMES)
    enter(arguments)
    figures = []
    for figure in runs(options):
        figures.append(figure)
        print(
            f"{figure.proxy} {figure.scenario} {figure.transport}: "
            f"{figure.cpu_per_1000:.3f} CPU s per 1,000 calls",
            flush=True,
        )
        if options.json:
            with Path(options.json).open("a") as file:
                file.write(json.dumps(asdict(figure)) + "\n")
    print(table(figures))
    for figure in figures:
        if figure.failed * 50 > figure.calls:
            print(
                f"\n{figure.proxy} did not keep up in {figure.scenario}: "
                f"{figure.failed} failed, and what it spent on them counts as well. "
                "Compare at a lower --rate."
            )
    print(
        "\nResponse times are sipp's, in steps of 4 ms. Medians of "
        f"{options.repeat} round(s); compare ratios, not machines."
    )
    return 1 if any(figure.failed for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
