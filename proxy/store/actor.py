"""The author of a change: every change of the store has one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change: ``name`` is a person or account, ``origin`` a place."""

    name: str
    origin: str
