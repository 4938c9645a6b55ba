"""Whether more comes in than we can serve.

A datagram socket that is never emptied tells it: what waits in the kernel grows old,
and what does not fit is dropped there, whatever it is.  The core hears of it
(``Overload``) and lets what is new wait, so that what goes on is still served.  Streams
tell nothing: one peer can keep its own full, and ``turns`` is fair to the others.
"""

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 0.5
"""Seconds that a socket may stay full: a burst shorter than that is simply served.
It is RFC 3261's T1, too: whoever waits longer sends again and makes it worse."""
STALE: Final = 2.0
"""Seconds without a whole read after which nothing waits any more."""

_monotonic: Final = time.monotonic


class Pressure:
    """All backlogs of a process; ``tell`` hears of the first that falls behind, and
    of the last that has caught up."""

    __slots__ = ("_behind", "_tell")

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell
        self._behind = 0

    def changed(self, is_behind: bool) -> None:
        """One backlog more, or one fewer."""
        self._behind += 1 if is_behind else -1
        if self._behind == (1 if is_behind else 0):
            self._tell(is_behind)


class Backlog:
    """What waits at one datagram socket."""

    __slots__ = ("_pressure", "_seen", "is_behind", "since")

    def __init__(self, pressure: Pressure) -> None:
        self._pressure = pressure
        self._seen = 0.0
        self.since = 0.0
        """When it was found full and has not been empty since; 0 when it was."""
        self.is_behind = False

    def waits(self) -> None:
        """A read as large as reads may be: there is more."""
        self._seen = now = _monotonic()
        if not self.since:
            self.since = now
        elif not self.is_behind and now - self.since >= PATIENCE:
            self.is_behind = True
            self._pressure.changed(True)

    def is_full(self, since: float) -> bool:
        """Whether it was full all the time from that instant on.

        One that was last seen full some time ago ended with a whole read by chance.
        """
        if self.since and _monotonic() - self._seen > STALE:
            self.emptied()
        return 0 < self.since <= since

    def emptied(self) -> None:
        """Nothing waits."""
        self.since = 0.0
        if self.is_behind:
            self.is_behind = False
            self._pressure.changed(False)
