"""`make bench`: CPU per call of Waypost against Kamailio, same work, same run.

sipp calls through the proxy to a sipp front end that the proxy finds over DNS SRV.
The figure is CPU seconds of all the proxy's processes per 1,000 calls at a fixed rate,
after a warm-up at the same rate, from the scheduler's own account.  Calls per second
would say more about the generator, which shares the machine.

Other work on the machine spoils it: caches are cold, calls are late and repeated.  So
every run waits for a quiet machine, and what was noisy all the same is marked.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.generator import TRANSPORT, front_end_for, load
from tests.bench.measure import (
    Others,
    cpu_seconds,
    memory_mib,
    tree,
    wait_for_quiet,
)
from tests.bench.peers import checked, kind_of
from tests.bench.proxies import NAMES, USUAL, running, title
from tests.bench.world import World, enter

SCENARIOS = ["invite", "subscribe", "register"]
NOISY = 0.25  # cores that others used during a run
REPEATED = 0.001  # of the calls: more retransmissions than that are other work


@dataclass(slots=True)
class Figure:
    """One measured run."""

    proxy: str
    scenario: str
    transport: str
    rate: int
    calls: int
    failed: int
    retransmitted: int
    others: float
    cpu_per_1000: float
    memory_mib: float
    p50_ms: float
    p99_ms: float

    @property
    def is_sound(self) -> bool:
        """Whether the run measured this proxy at this rate, and nothing else."""
        return (
            not self.failed
            and self.retransmitted <= REPEATED * self.calls
            and self.others <= NOISY
        )


def measure(
    world: World, name: str, scenario: str, transport: str, options: argparse.Namespace
) -> Figure:
    """One proxy, one scenario: warm up, then measure."""
    rate, seconds = options.rate, options.seconds
    with (
        front_end_for(world, scenario, transport),
        running(name, world, scenario, transport) as pid,
    ):
        load(world, scenario, transport, (rate, options.warm), options.clients)
        wait_for_quiet(options.patience)
        pids = tree(pid)
        before, others = cpu_seconds(pids), Others()
        seen = load(world, scenario, transport, (rate, seconds), options.clients)
        spent, memory = cpu_seconds(pids) - before, memory_mib(pids)
        cores = others.cores()
    times = seen.times
    at = [times[int(len(times) * share)] if times else 0.0 for share in (0.5, 0.99)]
    return Figure(
        *(name, scenario, transport, rate),
        *(seen.good, seen.failed, seen.retransmitted, cores),
        *(spent * 1000 / max(seen.good, 1), memory, *at),
    )


def runs(options: argparse.Namespace) -> Iterator[Figure]:
    """Every run that was asked for, the proxies in turn within one round."""
    with World() as world:
        for transport in options.transport:
            for scenario in options.scenario:
                for _ in range(options.repeat):
                    for name in able(options.proxy, scenario, transport):
                        yield measure(world, name, scenario, transport, options)


def able(proxies: list[str], scenario: str, transport: str) -> list[str]:
    """Those that can do it here: a peer by its path does no TLS and no REGISTER."""
    is_plain = transport != "tls" and scenario != "register"
    return [name for name in proxies if is_plain or not kind_of(name)]


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
        f"  {'':<32}{'CPU s/1000':>11}{'from - to':>15}{'× qm':>7}{'× fm':>7}"
        f"{'MiB':>6}{'× qm':>6}{'failed':>8}{'p50':>6}{'p99 ms':>8}"
    )

    def median(name: str, what: str) -> float:
        return statistics.median(getattr(figure, what) for figure in proxies[name])

    def ratio(name: str, what: str, base: str) -> str:
        if base not in proxies:
            return "-"
        return f"{median(name, what) / median(base, what):.2f}"

    for name, group in proxies.items():
        costs = [figure.cpu_per_1000 for figure in group]
        unsound = sum(not figure.is_sound for figure in group)
        yield (
            f"  {title(name):<32}{median(name, 'cpu_per_1000'):>11.3f}"
            f"{min(costs):>8.3f} -{max(costs):.3f}"
            f"{ratio(name, 'cpu_per_1000', 'kamailio-qm'):>7}"
            f"{ratio(name, 'cpu_per_1000', 'kamailio-fm'):>7}"
            f"{median(name, 'memory_mib'):>6.0f}"
            f"{ratio(name, 'memory_mib', 'kamailio-qm'):>6}"
            f"{sum(figure.failed for figure in group):>8}"
            f"{median(name, 'p50_ms'):>6.1f}{median(name, 'p99_ms'):>8.1f}"
            + (f"  {unsound} of {len(group)} not sound" if unsound else "")
        )


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="calls per second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--warm", type=int, default=6, help="seconds of warm-up")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; medians count")
    parser.add_argument(
        "--patience", type=int, default=45, help="seconds to wait for a quiet machine"
    )
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--transport", action="append", choices=list(TRANSPORT))
    parser.add_argument("--proxy", action="append", choices=list(NAMES))
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="KIND=PATH",
        type=peer,
        help="a build of opensips or repro as well (udp and tcp, no register)",
    )
    parser.add_argument("--clients", type=int, default=1, help="sockets that call")
    parser.add_argument("--json", metavar="FILE", help="append every run, a line each")
    options = parser.parse_args(arguments)
    options.scenario = options.scenario or SCENARIOS[:2]
    options.transport = options.transport or list(TRANSPORT)
    options.proxy = [*(options.proxy or USUAL), *options.peer]
    return options


def peer(name: str) -> str:
    """``--peer``, with the reason when it is not one."""
    try:
        return checked(name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; 1 when a call failed."""
    options = parsed(arguments)
    enter(arguments)
    figures = []
    for figure in runs(options):
        figures.append(figure)
        print(
            f"{figure.proxy} {figure.scenario} {figure.transport}: "
            f"{figure.cpu_per_1000:.3f} CPU s per 1,000 calls"
            + ("" if figure.is_sound else f", NOT SOUND: {_why(figure)}"),
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
        f"\nMedians of {options.repeat} round(s); compare ratios, not machines. A run "
        "is not sound when calls\nfailed or were repeated, or others used the machine."
    )
    return 1 if any(figure.failed for figure in figures) else 0


def _why(figure: Figure) -> str:
    return (
        f"{figure.failed} calls failed, {figure.retransmitted} messages repeated, "
        f"others used {figure.others:.1f} cores"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
