"""How steps with a verdict stand on a screen, and how they are counted."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from proxy.cli.screen import render
from proxy.sip.display import visible


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


MARGIN: Final = 8
"""The verdicts stand in it."""


def print_steps(steps: Iterable[Shown]) -> None:
    """One line each, and one more that says what to do."""
    for step in steps:
        ms = getattr(step, "ms", None)
        time = f"  {ms:g} ms" if ms is not None else ""
        about = f"{step.of}  {step.name}: {step.text}{time}"
        lines = render.fitted(about, margin=MARGIN)
        if step.fix:
            lines += render.fitted(step.fix, "-> ", MARGIN)
        lead = render.coloured(step.verdict, f"{step.verdict:<8}")
        print(lead + visible(lines[0]))
        render.print_lines(f"        {line}" for line in lines[1:])


def print_summary(counts: Mapping[str, int]) -> None:
    """``9 ok, 0 warning, 1 unknown, 0 failed``."""
    parts = (
        render.coloured(name if number else "", f"{number} {name}")
        for name, number in counts.items()
    )
    print(", ".join(parts))
