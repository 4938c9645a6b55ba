"""Calls and failures of the last minutes, by pool and front end.

They are counted from access records when those are flushed, off the message path.  Each
front end has a ring of slots, one for each minute, so nothing has to be swept.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from proxy.sip.finished import Finished

MINUTES: Final = 10
MOST_FRONT_ENDS: Final = 4_096
"""Names come and go with DNS; when there are so many, we forget all of them."""

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

    Of requests inside dialogs the core tells only the failures, so only they count.
    """

    __slots__ = ("_slots", "_spelled")

    def __init__(self) -> None:
        # One [minute, calls, failed, failed in dialogs] for each place of the ring.
        self._slots: dict[Key, _Slots] = {}
        # The same by names as they were written: each spelling is lowered only once.
        self._spelled: dict[Key, _Slots] = {}

    def count(self, record: Finished, at: float) -> None:
        """Take one request into account; our own chat probes do not count."""
        if record.rule == "probe":
            return
        minute = int(at // 60)
        for name, outcome, _ in record.attempts:
            slot = self._slot((record.pool, name), minute)
            slot[1] += 1
            slot[2] += is_failure(outcome)

    def count_in_dialog(self, pool: str, host: str, at: float) -> None:
        """Take a failure inside a dialog into account; ``host`` is the one name or
        address of the front end that the dialog knows."""
        self._slot((pool, host), int(at // 60))[3] += 1

    def _slot(self, spelled: Key, minute: int) -> list[int]:
        slots = self._spelled.get(spelled)
        if slots is None:
            slots = self._spelled_newly(spelled)
        slot = slots[minute % MINUTES]
        if slot[0] != minute:
            slot[:] = [minute, 0, 0, 0]
        return slot

    def _spelled_newly(self, spelled: Key) -> _Slots:
        if len(self._spelled) >= MOST_FRONT_ENDS:
            self._slots.clear()
            self._spelled.clear()
        key = spelled[0].lower(), spelled[1].lower()
        slots = self._slots.get(key)
        if slots is None:
            slots = self._slots[key] = [[0, 0, 0, 0] for _ in range(MINUTES)]
        self._spelled[spelled] = slots
        return slots

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
    """Whether the front end failed: a word such as ``refused``, or a 5xx of its own."""
    return not outcome.isdigit() or outcome.startswith("5")
