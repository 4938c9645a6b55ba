"""A promise, and what one look at it came to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Room:
    """Where a check works: an empty directory, and whether it may take its time."""

    directory: Path
    is_long: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Held or not, with the figure that says so; a check that raises is not held."""

    is_held: bool
    figure: str


@dataclass(frozen=True, slots=True)
class Promise:
    """``name`` is R1 to R14; ``bar`` what the figure is compared with.

    ``is_timed`` says that its figure needs the machine alone.  The others run together.
    """

    name: str
    text: str
    bar: str
    check: Callable[[Room], Outcome]
    is_timed: bool = True
