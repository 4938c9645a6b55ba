"""Calls and failures of the last minutes, by pool and front end.

Counted from access records when they are flushed, off the message path.  A slot for
each minute, used again and again, so nothing has to be swept.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from proxy.telemetry.record import AccessRecord

MINUTES: Final = 10
MOST_FRONT_ENDS: Final = 4_096
"""Names come and go with DNS: when there are as many, all are forgotten."""

Key = tuple[str, str]
_Slots = list[list[int]]


class Recent(NamedTuple):
    """Attempts at one front end, those of them that it failed, and the requests inside
    dialogs that it failed."""

    calls: int
    failed: int
    failed_in_dialogs: int


class RecentCalls:
    """What front ends were asked in the last ``MINUTES`` minutes, this one included.

    Of requests inside dialogs only failures are told, so only they are counted.
    """

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        # One [minute, calls, failed, failed in dialogs] for each place of the ring.
        self._slots: dict[Key, _Slots] = {}

    def count(self, record: AccessRecord, at: float) -> None:
        """Take one request into account; our own chat probes do not count."""
        if record.rule == "probe":
            return
        minute = int(at // 60)
        for name, outcome, _ in record.attempts:
            slot = self._slot((record.pool.lower(), name.lower()), minute)
            slot[1] += 1
            slot[2] += is_failure(outcome)

    def count_in_dialog(self, pool: str, host: str, at: float) -> None:
        """Take a failure inside a dialog into account; of the front end the dialog
        knows one name or address."""
        self._slot((pool.lower(), host.lower()), int(at // 60))[3] += 1

    def _slot(self, key: Key, minute: int) -> list[int]:
        slots = self._slots.get(key)
        if slots is None:
            if len(self._slots) >= MOST_FRONT_ENDS:
                self._slots.clear()
            slots = self._slots[key] = [[0, 0, 0, 0] for _ in range(MINUTES)]
        slot = slots[minute % MINUTES]
        if slot[0] != minute:
            slot[:] = [minute, 0, 0, 0]
        return slot

    def of(self, pool: str, names: Sequence[str], at: float) -> Recent:
        """What was counted under any of these names of one front end."""
        oldest, newest = int(at // 60) - MINUTES + 1, int(at // 60)
        calls = failed = inside = 0
        for name in {name.lower() for name in names}:
            for minute, count, bad, lost in self._slots.get((pool.lower(), name), ()):
                if oldest <= minute <= newest:
                    calls += count
                    failed += bad
                    inside += lost
        return Recent(calls, failed, inside)


def is_failure(outcome: str) -> bool:
    """A word (``refused``) is one, and so is what a server says of itself (5xx)."""
    return not outcome.isdigit() or outcome.startswith("5")
