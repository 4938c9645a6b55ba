"""Tells the shell about sources that guess passwords or scan for addresses."""

from typing import Final

from proxy.core import commands

TELL_EVERY: Final = 600.0
"""Seconds between two reports of the same source."""
MOST: Final = 4_096
"""Sources that are remembered; the oldest go, and may be reported again."""
_NAME: Final = 100
"""Characters of a user or an address that are shown."""


class Suspects:
    """Reports each source once in ten minutes, however much it does.

    ``counts`` is the number of reports, by "guessing" and "scanning".
    """

    __slots__ = ("_out", "_told", "counts")

    def __init__(self, out: list[commands.Command]) -> None:
        self._out = out
        self._told: dict[tuple[str, str], float] = {}
        self.counts = {"guessing": 0, "scanning": 0}

    def note(self, what: str, source: str, example: str, now: float) -> None:
        """``source`` does ``what`` ("guessing" or "scanning"); ``example`` is the user
        or the address that it has just tried."""
        key = (what, source)
        if now - self._told.get(key, float("-inf")) < TELL_EVERY:
            return
        self._told.pop(key, None)
        if len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[key] = now
        self.counts[what] += 1
        self._out.append(commands.NoteSuspect(what, source, example[:_NAME]))
