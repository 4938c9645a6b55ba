"""How often somebody may fail to say who he is.  Pure: the time is an argument.

After ``FREE`` failures in a row from one source, or for one name, each try must wait
twice as long as the one before.  Strangers choose names and sources, so only the latest
few thousand are remembered.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

FREE: Final = 5
LONGEST: Final = 300.0
"""Seconds: no try waits for longer."""
REMEMBERED: Final = 4096
FORGOTTEN_AFTER: Final = 900.0
"""Seconds without a failure after which the earlier ones no longer count."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float


class Limiter:
    """Counts failures by key."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Seconds that this key must wait before its next try."""
        found = self._failures.get(key)
        if found is None or found.count < FREE:
            return 0.0
        if now - found.last_at > FORGOTTEN_AFTER:
            del self._failures[key]
            return 0.0
        # The shift is bounded, because a stranger decides how large the count gets.
        pause = min(LONGEST, float(1 << min(found.count - FREE, 16)))
        return max(0.0, found.last_at + pause - now)

    def failed(self, key: str, now: float) -> None:
        """Note a failure."""
        found = self._failures.pop(key, None)
        is_old = found is None or now - found.last_at > FORGOTTEN_AFTER
        count = 1 if is_old or found is None else found.count + 1
        self._failures[key] = _Failures(count, now)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the failures of somebody who has signed in at last."""
        self._failures.pop(key, None)
