"""How steps with a verdict stand on a screen, and how they are counted."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from proxy.cli.screen import render


class Shown(Protocol):
    """A step of the doctor, or a finding about Lync's facts."""

    @property
    def of(self) -> str:
        """What it is about."""

    @property
    def name(self) -> str:
        """Which step it is."""

    @property
    def verdict(self) -> str:
        """How it is."""

    @property
    def text(self) -> str:
        """What was found."""

    @property
    def fix(self) -> str:
        """What to do about it."""


def print_steps(steps: Iterable[Shown]) -> None:
    """One line each, and one more that says what to do."""
    for step in steps:
        ms = getattr(step, "ms", None)
        time = f"  {ms:g} ms" if ms is not None else ""
        lines = [f"{step.verdict:<8}{step.of}  {step.name}: {step.text}{time}"]
        if step.fix:
            lines.append(f"        -> {step.fix}")
        render.print_lines(lines)


def print_summary(counts: Mapping[str, int]) -> None:
    """``9 ok, 0 warning, 1 unknown, 0 failed``."""
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
