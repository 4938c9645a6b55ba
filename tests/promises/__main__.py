"""The command: run the checks, print the table, write it into the page."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.promises import leak
from tests.promises.catalogue import PROMISES
from tests.promises.model import Outcome, Promise, Room

INSIDE = "WAYPOST_PROMISES_INSIDE"
BEGIN = "<!-- table of the last run: written by `make promises PAGE=1` -->"
END = "<!-- end of the table -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One promise, looked at."""

    promise: Promise
    outcome: Outcome
    seconds: float

    def line(self) -> str:
        """For a terminal of 80 columns; the figure stands below."""
        held = "held" if self.outcome.is_held else "NOT HELD"
        head = f"{self.promise.name:<4}{held:<9}{self.promise.text:<50}"
        return f"{head}{self.seconds:>6.0f} s\n    {self.outcome.figure}"


def enter() -> None:
    """Run again in a network of our own: every loopback address and port is free."""
    if os.environ.get(INSIDE) or os.geteuid() != 0:
        return
    alone = ["unshare", "--net", "--fork", "--kill-child"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        return
    words = [sys.executable, "-m", "tests.promises", *sys.argv[1:]]
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *words]
    sys.exit(subprocess.call([*alone, *inside], env={**os.environ, INSIDE: "1"}))


def look(promise: Promise, is_long: bool) -> Row:
    """Run one check in a directory of its own."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="waypost-promise-") as directory:
        try:
            outcome = promise.check(Room(Path(directory), is_long))
        except Exception as error:
            traceback.print_exc()
            outcome = Outcome(
                False, f"the check broke: {type(error).__name__}: {error}"
            )
    return Row(promise, outcome, time.monotonic() - started)


def look_at_all(wanted: list[Promise], is_long: bool) -> Iterator[Row]:
    """Those that need the machine alone, one by one.

    Then the rest: what takes longest beside the others, one by one as well.
    """
    for promise in wanted:
        if promise.is_timed:
            yield look(promise, is_long)
    rest = [each for each in wanted if not each.is_timed]
    longest = [each for each in rest if each.check is leak.steady_calls]
    with ThreadPoolExecutor() as pool:
        beside = [pool.submit(look, each, is_long) for each in longest]
        for promise in rest:
            if promise not in longest:
                yield look(promise, is_long)
        for done in beside:
            yield done.result()


def write_page(page: Path, rows: list[Row], is_long: bool) -> None:
    """Put the table between its two marks; rows of promises not looked at stay."""
    day = time.strftime("%Y-%m-%d")
    how = "`LONG=1 make promises`" if is_long else "`make promises`"
    lines = [
        BEGIN,
        f"Run on {day} with {how}, two cores, CPython {sys.version.split()[0]}.",
        "",
        "| | promise | bar | figure | |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        held = "held" if row.outcome.is_held else "**not held**"
        figure = row.outcome.figure.replace("|", "/")
        promise = row.promise
        lines.append(
            f"| {promise.name} | {promise.text} | {promise.bar} | {figure} | {held} |"
        )
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    old, _, after = rest.partition(END)
    done = {f"| {row.promise.name} |" for row in rows}
    lines += [
        line
        for line in old.splitlines()
        if line.startswith("| R") and not line.startswith(tuple(done))
    ]
    lines[5:] = sorted(lines[5:], key=lambda line: int(line[3:].partition(" ")[0]))
    page.write_text(before + "\n".join([*lines, END]) + after)


def main() -> int:
    """Exit code 0 when every promise asked for is held."""
    parser = argparse.ArgumentParser(prog="make promises", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="R1..R14")
    parser.add_argument("--long", action="store_true", help="try each as it is written")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", type=Path, help="write the table into this page")
    options = parser.parse_args()
    wanted = {name.upper() for name in options.names}
    if unknown := wanted - {promise.name for promise in PROMISES}:
        parser.error(f"no such promise: {', '.join(sorted(unknown))} (R1 to R14)")
    enter()
    started = time.monotonic()
    rows = []
    chosen = [each for each in PROMISES if not wanted or each.name in wanted]
    for row in look_at_all(chosen, options.long):
        rows.append(row)
        if not options.json:
            print(row.line(), flush=True)
    rows.sort(key=lambda row: PROMISES.index(row.promise))
    if options.json:
        print(
            json.dumps(
                [
                    {
                        "name": row.promise.name,
                        "promise": row.promise.text,
                        "bar": row.promise.bar,
                        "held": row.outcome.is_held,
                        "figure": row.outcome.figure,
                        "seconds": round(row.seconds, 1),
                    }
                    for row in rows
                ]
            )
        )
    else:
        held = sum(row.outcome.is_held for row in rows)
        print(f"{held} of {len(rows)} held, {time.monotonic() - started:.0f} s")
    if options.page:
        write_page(options.page, rows, options.long)
    return 0 if all(row.outcome.is_held for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
