"""Who changes the store: every change is made in somebody's name."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something: ``name`` a person or account, ``origin`` from where."""

    name: str
    origin: str
