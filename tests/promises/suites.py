"""Promises that the test suite already holds: the tests are run and counted.

A selection that runs no test is not held; a test that does not pass is named.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.promises.model import Outcome, Room

ROOT = Path(__file__).parents[2]
LIMIT = 3600  # seconds


def run_tests(*words: str, **environment: str) -> tuple[bool, int, str]:
    """Run pytest over ``words``: all passed?, how many, and what was printed."""
    line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", *words]
    done = subprocess.run(
        line,
        cwd=ROOT,
        # As an operator starts it: tests/support/prepared.py.
        env={**os.environ, "WAYPOST_COLD": "1", **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    passed = re.search(r"(\d+) passed", done.stdout)
    number = int(passed[1]) if passed else 0
    is_sound = done.returncode == 0 and "skipped" not in done.stdout[-300:]
    return is_sound and number > 0, number, done.stdout + done.stderr


def tests_pass(what: str, *words: str, **environment: str) -> Outcome:
    """The outcome of a selection, with the first failure where there is one."""
    is_held, number, output = run_tests(*words, **environment)
    failed = re.search(r"^(?:FAILED|ERROR|SKIPPED) (.*)$", output, re.MULTILINE)
    trouble = f"; {failed[1][:100]}" if failed else ""
    return Outcome(is_held, f"{number} {what}{trouble}")


def timers(room: Room) -> Outcome:
    """R13: each timer at its exact virtual instant, each state with each input."""
    return tests_pass("tests of timers and states passed", "tests/transaction")


def twin(room: Room) -> Outcome:
    """R14: the flows leave the same traces as through Kamailio."""
    return tests_pass("flows and checks alike", "tests/interop/test_twin.py")


def loops(room: Room) -> Outcome:
    """R11: a proxy that is its own next hop, or two that are each other's."""
    return tests_pass(
        "tests of loops and spirals passed",
        *("tests/core/test_validation.py", "tests/wire/test_loops.py"),
        *("-k", "loop or spiral or name_each_other"),
    )


def drain(room: Room) -> Outcome:
    """R8: what begins is refused, what has begun ends, an idle service goes at once."""
    return tests_pass(
        "tests of drains passed",
        *("tests/wire/test_service.py", "-k", "drain or idle or restarts_under_load"),
    )
