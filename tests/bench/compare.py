"""`make compare A=REV B=REV SCENARIO=journey`: two builds of ours, measured in one run.

Both are built as users install them and run in turn, A B A B, with the same load, so
that what else the machine does falls on both.  A difference counts when the worst run
of the one is better than the best run of the other, and there were so many runs that
chance does that once in twenty times or less; everything else is noise.
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from tests.bench.__main__ import Figure, measure
from tests.bench.generator import TRANSPORT
from tests.bench.revisions import (
    HERE,
    Revision,
    RevisionError,
    build,
    is_compiled,
    resolve,
    uncommitted,
)
from tests.bench.world import INSIDE, World, enter

RATES: Final = {"invite": 500, "subscribe": 500, "register": 500, "journey": 100}
"""Scenarios, and calls per second that one core of an old machine still manages."""
CHANCE: Final = 0.05
MEASURED: Final = (
    ("cpu_per_1000", "CPU s per 1,000 calls", 3),
    ("p50_ms", "p50 ms", 2),
    ("p99_ms", "p99 ms", 2),
    ("memory_mib", "memory MiB", 1),
)


def verdict(a: Sequence[float], b: Sequence[float]) -> str:
    """What these runs say of B against A; less is better.

    Of all orders in which equal builds can come in, two have their runs apart.
    """
    before, after = statistics.median(a), statistics.median(b)
    change = (after - before) / before * 100 if before else 0.0
    if max(b) >= min(a) and min(b) <= max(a):
        return f"no difference shown ({change:+.1f} %)"
    chance = 2 / math.comb(len(a) + len(b), len(a))
    if chance > CHANCE:
        return f"{change:+.1f} %, and chance alone does that {chance:.0%} of the time"
    return f"B is {'better' if after < before else 'worse'}, {change:+.1f} %"


def table(figures: dict[str, list[Figure]], width: int = 80) -> str:
    """Medians, ranges and a verdict for everything that is measured."""
    lines = [f"{'':<22}{'A (from - to)':>24}{'B (from - to)':>24}"]
    for name, title, digits in MEASURED:
        values = {
            side: [getattr(f, name) for f in each] for side, each in figures.items()
        }
        cells = [
            f"{statistics.median(each):.{digits}f} "
            f"({min(each):.{digits}f} - {max(each):.{digits}f})"
            for each in values.values()
        ]
        lines.append(f"{title:<22}{cells[0]:>24}{cells[1]:>24}")
        lines.append(f"{'':<22}{verdict(values['A'], values['B'])}")
    for side, each in figures.items():
        unsound = sum(not figure.is_sound for figure in each)
        failed = sum(figure.failed for figure in each)
        if unsound:
            lines.append(
                f"{side}: {unsound} of {len(each)} runs are not sound ({failed} calls "
                "failed; others used the machine)"
            )
    return "\n".join(line.rstrip()[:width] for line in lines)


def run(
    revisions: dict[str, Revision],
    options: argparse.Namespace,
    say: Callable[[str], None],
) -> dict[str, list[Figure]]:
    """A B A B …, and what came of it."""
    figures: dict[str, list[Figure]] = {side: [] for side in revisions}
    with World() as world:
        for number in range(options.rounds):
            for side, revision in revisions.items():
                name = f"waypost={revision.command}"
                figure = measure(
                    world, name, options.scenario, options.transport, options
                )
                figures[side].append(figure)
                say(
                    f"round {number + 1} {side}: {figure.cpu_per_1000:.3f} CPU s per "
                    f"1,000 calls, p99 {figure.p99_ms:.1f} ms"
                    + ("" if figure.is_sound else ", not sound")
                )
    return figures


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="make compare", description=__doc__)
    parser.add_argument("--a", default="", help="a revision; . is the tree here")
    parser.add_argument("--b", default=HERE, help="another one; usual: the tree here")
    parser.add_argument("--scenario", default="journey")
    parser.add_argument("--transport", default="udp", choices=list(TRANSPORT))
    parser.add_argument("--rate", type=int, help="calls per second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--warm", type=int, default=5, help="seconds of warm-up")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--patience", type=int, default=45, help="seconds to wait for a quiet machine"
    )
    parser.add_argument("--clients", type=int, default=1, help="sockets that call")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def check(options: argparse.Namespace) -> dict[str, Revision]:
    """The two revisions; raises RevisionError for what cannot be measured."""
    if not options.a:
        raise RevisionError("name the revisions: make compare A=main~10 B=main")
    if options.scenario not in RATES:
        raise RevisionError(
            f'there is no scenario "{options.scenario}" to measure: {", ".join(RATES)}'
        )
    if options.transport == "tls" and options.scenario == "journey":
        raise RevisionError("a journey is measured over udp or tcp")
    for name in ("rounds", "seconds", "warm", "clients"):
        if getattr(options, name) < 1:
            raise RevisionError(f"{name} must be 1 or more")
    options.rate = options.rate or RATES[options.scenario]
    if options.rate < 1:
        raise RevisionError("rate must be 1 or more")
    return {"A": resolve(options.a), "B": resolve(options.b)}


def prepare(revisions: dict[str, Revision], say: Callable[[str], None]) -> None:
    """Build both, and say what a reader of the table should know."""
    commits = {each.commit for each in revisions.values()}
    if len(commits) == 1:
        say("A and B are the same: what differs is noise")
    elif "" not in commits and (count := uncommitted()):
        files = "1 file is" if count == 1 else f"{count} files are"
        say(
            f"{files} not committed and not measured: B={HERE} is the tree as it stands"
        )
    for revision in revisions.values():
        build(revision, say)
    compiled = {side: is_compiled(each) for side, each in revisions.items()}
    for side, revision in revisions.items():
        how = "compiled" if compiled[side] else "plain Python, not compiled"
        say(f"{side}: {revision.title} ({how})")
    if len(set(compiled.values())) == 2:
        say("only one of them is compiled: this compares compilers, not revisions")


def main(arguments: list[str]) -> int:
    """0 when it could be measured and no call failed."""
    options = parsed(arguments)

    def say(text: str) -> None:
        print(text, file=sys.stderr if options.json else sys.stdout, flush=True)

    try:
        revisions = check(options)
        if not os.environ.get(INSIDE):
            prepare(revisions, say)
            enter(arguments, "tests.bench.compare")
        figures = run(revisions, options, say)
    except (RevisionError, RuntimeError) as problem:
        print(f"make compare: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    if options.json:
        names = {side: each.title for side, each in revisions.items()}
        rows = {side: [asdict(f) for f in each] for side, each in figures.items()}
        print(json.dumps({"revisions": names, "runs": rows}))
    else:
        what = f"{options.scenario} over {options.transport}, {options.rate} calls/s"
        print(f"\n{what}, {options.rounds} rounds\n\n{table(figures)}")
    failed = [f for each in figures.values() for f in each if f.failed or not f.calls]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
