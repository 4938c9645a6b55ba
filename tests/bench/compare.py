"""`make compare A=REV B=REV SCENARIO=journey`: two builds of ours, measured in one run.

Both are built as users install them and run side by side.  The load goes to one of them
at a time, for a second or two, so that what else the machine does falls on both alike
(``paired.py``).  The answer is the ratio B/A, and between what it lies.  A and B may be
one build with two configurations, too: ``ARGS='--set-b recorder.megabytes=0'``.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.bench.generator import TRANSPORT
from tests.bench.measure import Others, wait_for_quiet
from tests.bench.paired import FEWEST, SIDES, Estimate, Round, compared, words
from tests.bench.revisions import (
    HERE,
    Revision,
    RevisionError,
    build,
    is_compiled,
    resolve,
    uncommitted,
)
from tests.bench.turns import Load, Side, both
from tests.bench.world import INSIDE, World, enter

RATES: Final = {"invite": 500, "subscribe": 500, "register": 500, "journey": 100}
"""Scenarios, and calls per second that one core of an old machine still manages."""
OURS: Final = ("proxy", "listen", "store", "dns", "registrar")
"""Sections that the bench writes itself."""
REST: Final = 3.0
"""Seconds for which we look at what they do when nobody calls."""


@dataclass(slots=True)
class Run:
    """All that was measured."""

    rest: dict[str, float] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    memory: dict[str, float] = field(default_factory=dict)
    faults: dict[str, float] = field(default_factory=dict)
    others: float = 0.0

    def values(self, name: str) -> dict[str, list[float]]:
        """One figure a round, of each side."""
        return {
            side: [
                each.cost(side, self.rest[side])
                if name == "cpu"
                else each.at(side, 0.5 if name == "p50" else 0.99)
                for each in self.rounds
            ]
            for side in SIDES
        }

    def ratio(self, name: str) -> Estimate | None:
        """B against A."""
        values = self.values(name)
        return compared(list(zip(values["A"], values["B"], strict=True)))

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        found: dict[str, Any] = {}
        for name in ("cpu", "p50", "p99"):
            ratio = self.ratio(name)
            found[name] = {**self.values(name), "ratio": ratio and asdict(ratio)}
        for name in ("rest", "memory", "faults", "others"):
            found[name] = getattr(self, name)
        found["failed"] = sum(x.failed for each in self.rounds for x in each.slices)
        return found


def table(run: Run) -> str:
    """Medians of each, the ratio with its interval, and what it says."""
    lines = [f"{'':<22}{'A':>9}{'B':>9}   B/A, and 95 % between"]
    for name, title, digits in (
        ("cpu", "CPU s per 1,000 calls", 3),
        ("p50", "p50 ms", 2),
        ("p99", "p99 ms", 2),
    ):
        a, b = (statistics.median(each) for each in run.values(name).values())
        ratio = run.ratio(name)
        lines.append(
            f"{title:<22}{a:>9.{digits}f}{b:>9.{digits}f}   {ratio or 'nothing to say'}"
        )
        if ratio is not None:
            lines.append(f"{'':<43}{words(ratio)}")
    for title, values, digits in (
        ("memory MiB, at the end", run.memory, 1),
        ("page faults a call", run.faults, 2),
        ("CPU ms/s at rest", {x: 1000 * each for x, each in run.rest.items()}, 1),
    ):
        row = "".join(f"{values[side]:>9.{digits}f}" for side in SIDES)
        lines.append(f"{title:<22}{row}")
    unsound = sum(not each.is_sound for each in run.rounds)
    if unsound:
        failed = sum(x.failed for each in run.rounds for x in each.slices)
        lines.append(
            f"{unsound} of {len(run.rounds)} rounds are not sound: {failed} calls "
            "failed, others were repeated"
        )
    lines.append(f"others used {run.others:.2f} cores meanwhile")
    return "\n".join(lines)


def measured(
    sides: dict[str, Side], options: argparse.Namespace, say: Callable[[str], None]
) -> Run:
    """Start both, warm them up, and put them under load in turn."""
    run = Run()
    what = Load(
        *(options.scenario, options.transport),
        *(options.rate, options.seconds, options.clients),
    )
    with World() as world, both(world, sides, what) as pair:
        wait_for_quiet(options.patience)
        run.rest = pair.rest(REST)
        for side in SIDES:
            pair.slice(side, options.warm)
        others, before = Others(), pair.faults()
        for each in pair.rounds(options.rounds):
            run.rounds.append(each)
            a, b = (each.cost(side, run.rest[side]) for side in SIDES)
            say(
                f"round {len(run.rounds)}: A {a:.3f}, B {b:.3f} CPU s per 1,000 calls"
                + ("" if each.is_sound else ", not sound")
            )
        run.others, after = others.cores(), pair.faults()
        run.memory = pair.memory()
    for side in SIDES:
        slices = [x for each in run.rounds for x in each.slices if x.side == side]
        calls = sum(each.calls for each in slices)
        run.faults[side] = (after[side] - before[side]) / max(calls, 1)
    return run


def parsed(arguments: list[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="make compare", description=__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--a", default="", help="a revision, or the path of a waypost; . is the tree"
    )
    parser.add_argument("--b", default=HERE, help="another one; usual: the tree here")
    parser.add_argument("--scenario", default="journey")
    parser.add_argument("--transport", default="udp", choices=list(TRANSPORT))
    parser.add_argument("--rate", type=int, help="calls per second")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one turn")
    parser.add_argument("--warm", type=float, default=5, help="seconds of warm-up")
    parser.add_argument("--rounds", type=int, default=20, help="of four turns each")
    parser.add_argument(
        "--patience", type=int, default=45, help="seconds to wait for a quiet machine"
    )
    parser.add_argument("--clients", type=int, default=1, help="sockets that call")
    for name, who in (("--set", "both"), ("--set-a", "A"), ("--set-b", "B")):
        parser.add_argument(
            *(name,),
            action="append",
            default=[],
            metavar="SECTION.KEY=VALUE",
            help=f"configuration of {who}",
        )
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
    for name in ("rounds", "clients"):
        if getattr(options, name) < 1:
            raise RevisionError(f"{name} must be 1 or more")
    for name in ("seconds", "warm"):
        if not 0.2 <= getattr(options, name) <= 600:
            raise RevisionError(f"{name} must be 0.2 to 600")
    options.rate = options.rate or RATES[options.scenario]
    if options.rate < 1:
        raise RevisionError("rate must be 1 or more")
    for each in (options.set, options.set_a, options.set_b):
        configuration(each)
    return {"A": resolve(options.a), "B": resolve(options.b)}


def configuration(settings: list[str]) -> str:
    """``recorder.megabytes=0`` and the like as sections; raises RevisionError."""
    sections: dict[str, list[str]] = {}
    for each in settings:
        key, equals, value = each.partition("=")
        section, dot, name = key.strip().rpartition(".")
        if not (equals and dot and section and name and value.strip()):
            raise RevisionError(f'"{each}" is no SECTION.KEY=VALUE')
        if section in OURS:
            raise RevisionError(f"the bench writes [{section}] itself")
        sections.setdefault(section, []).append(f"{name} = {value.strip()}")
    return "".join(
        f"\n[{section}]\n" + "\n".join(lines) + "\n"
        for section, lines in sections.items()
    )


def sides_of(
    revisions: dict[str, Revision], options: argparse.Namespace
) -> dict[str, Side]:
    """What is started for each."""
    more = {"A": options.set_a, "B": options.set_b}
    return {
        side: Side(str(each.command), configuration(options.set + more[side]))
        for side, each in revisions.items()
    }


def prepare(revisions: dict[str, Revision], say: Callable[[str], None]) -> None:
    """Build both, and say what a reader of the table should know."""
    commits = {each.commit or str(each.given) for each in revisions.values()}
    if len(commits) == 1:
        say("A and B are the same build")
    elif all(x.commit for x in revisions.values()) and (count := uncommitted()):
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
            if options.rounds < FEWEST:
                say(f"{options.rounds} rounds show nothing for sure: {FEWEST} do")
            enter(arguments, "tests.bench.compare")
        run = measured(sides_of(revisions, options), options, say)
    except (RevisionError, RuntimeError) as problem:
        print(f"make compare: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    if options.json:
        names = {side: each.title for side, each in revisions.items()}
        print(json.dumps({"revisions": names, **run.to_json()}))
    else:
        what = f"{options.scenario} over {options.transport}, {options.rate:,} calls/s"
        turns = f"{options.rounds} rounds of four turns, {options.seconds:g} s each"
        print(f"\n{what}, {turns}\n\n{table(run)}")
    slices = [x for each in run.rounds for x in each.slices]
    return 1 if any(x.failed or not x.calls for x in slices) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
