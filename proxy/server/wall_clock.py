"""The wall clock while we run: its time, and whether somebody has set it (decision 45).

The core's clock cannot be set; the store and all output have seconds since the epoch.
We read the difference several times a second, because a machine that starts with a
wrong clock may have it corrected minutes later.
"""

from typing import Final

from proxy import clock

SET_BY: Final = 1.0
"""Seconds; when the difference changes by more between two looks, it is no drift."""


class WallClock:
    """Follows the wall clock; the core's clock plus ``offset`` is its time."""

    def __init__(self, now: float) -> None:
        self.offset = clock.wall() - now
        self._began = clock.wall(), clock.boottime()
        self._ahead = clock.wall() - clock.boottime()

    def look(self, now: float) -> float:
        """Read the clock; returns by how many seconds it was set since the last look,
        mostly 0.

        It is measured against the time since boot, which goes on while the machine is
        suspended.
        """
        wall = clock.wall()
        ahead = wall - clock.boottime()
        by, self._ahead = ahead - self._ahead, ahead
        self.offset = wall - now
        return by if abs(by) > SET_BY else 0.0

    def patient(self) -> float:
        """The wall time by which old rows may be deleted.

        It is never ahead of the time that has really passed since our start, so a clock
        set to next year by mistake does not empty the store.
        """
        wall, boottime = self._began
        return min(clock.wall(), wall + clock.boottime() - boottime)
