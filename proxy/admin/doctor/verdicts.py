"""Verdicts, and the steps that have them: for the doctor, the runbook and a plan.

What was not seen is neither well nor wrong but ``unknown``, and its fix says what would
have to be true to know it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from proxy.facts.model import Verdict

UNSURE: Final = 5
"""The exit code of --strict when nothing failed, but not all is known to be well."""
_WORST_FIRST: Final[tuple[Verdict, ...]] = ("failed", "unknown", "warning")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at: ``of`` an endpoint's address or a pool's FQDN."""

    of: str
    name: str
    verdict: Verdict
    text: str
    fix: str = ""
    ms: float | None = None


class Judged(Protocol):
    """Whatever has a verdict."""

    @property
    def verdict(self) -> Verdict:
        """How it is."""


def worst(steps: Iterable[Judged]) -> Verdict:
    """The verdict over all: failed, then unknown, then warning."""
    found = {step.verdict for step in steps}
    return next((each for each in _WORST_FIRST if each in found), "ok")


def summary(steps: Iterable[Judged]) -> dict[str, int]:
    """How many have which verdict."""
    counts = {"ok": 0, "warning": 0, "unknown": 0, "failed": 0}
    for step in steps:
        counts[step.verdict] += 1
    return counts


def exit_code(steps: Iterable[Judged], is_strict: bool) -> int:
    """0 or 1; with ``--strict`` also ``UNSURE``."""
    verdict = worst(steps)
    if verdict == "failed":
        return 1
    return UNSURE if is_strict and verdict != "ok" else 0
