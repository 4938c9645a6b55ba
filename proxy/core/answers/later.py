"""Holds answers back for a moment, so that it takes long to ask many questions.

At most ``MOST`` answers at a time, because strangers must not make us hold without
limit; further ones go at once.
"""

from typing import Final

from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import Timers

HOLD: Final = 2.0
"""Seconds: too short for a client to give up, and long for a source that asks
thousands of times."""
MOST: Final = 1_000


class Later:
    """Holds responses; ``waiting`` is how many wait now, ``held`` how many ever did."""

    __slots__ = ("_timers", "held", "waiting")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self.waiting = 0
        self.held = 0

    def respond(
        self, server: ServerTransaction, status: int, data: bytes, now: float
    ) -> None:
        """Call ``server.respond`` after ``HOLD`` seconds."""
        if self.waiting >= MOST:
            server.respond(status, data, now)
            return
        self.waiting += 1
        self.held += 1
        self._timers.start("held", HOLD, _Held(self, server, status, data), now)


class _Held:
    """One response that waits."""

    __slots__ = ("_data", "_later", "_server", "_status")

    def __init__(
        self, later: Later, server: ServerTransaction, status: int, data: bytes
    ) -> None:
        self._later = later
        self._server = server
        self._status = status
        self._data = data

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        self._later.waiting -= 1
        self._server.respond(self._status, self._data, now)
