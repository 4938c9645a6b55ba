"""The wall clock while we run: its time, and whether it has been set.

The core counts on a clock that cannot be set; the store and all output have seconds
since the epoch.  We read the difference several times a second, because a machine that
starts with a wrong clock has it put right minutes later.
"""

from typing import Final

from proxy import clock

SET_BY: Final = 1.0
"""Seconds: a difference that grows by more from one look to the next was not drift."""


class WallClock:
    """``offset`` is what has to be added to the core's clock ``now``."""

    def __init__(self, now: float) -> None:
        self.offset = clock.wall() - now
        self._began = clock.wall(), clock.boottime()
        self._ahead = clock.wall() - clock.boottime()

    def look(self, now: float) -> float:
        """Follow the clock; the seconds it was set by since the last look, mostly 0.

        Measured against the time since boot, in which a suspended machine ages too.
        """
        wall = clock.wall()
        ahead = wall - clock.boottime()
        by, self._ahead = ahead - self._ahead, ahead
        self.offset = wall - now
        return by if abs(by) > SET_BY else 0.0

    def patient(self) -> float:
        """The time by which old things may be deleted: not before it has passed here.

        A clock set to next year by mistake must not empty the store.
        """
        wall, boottime = self._began
        return min(clock.wall(), wall + clock.boottime() - boottime)
