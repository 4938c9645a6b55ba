"""Whether more comes in than we can serve (decision 113).

The sign is a datagram socket that we never manage to empty: its datagrams grow old in
the kernel, and the kernel drops whatever does not fit, a BYE like an INVITE.  The core
is told (``Overload``) and lets new requests wait, so that running dialogs are still
served.  A full stream is no such sign: one peer can keep its own full, and ``wait``
keeps that from costing the others.
"""

import time
from collections.abc import Callable
from typing import Final

PATIENCE: Final = 0.5
"""Seconds that a socket may stay full before it counts as behind: a shorter burst is
simply served.  It is T1 of RFC 3261: a client that waits longer sends its request
again, which adds to the load."""


class Pressure:
    """All backlogs of a process.

    ``tell`` is called with True when the first one falls behind, and with False when
    the last one has caught up.  ``clock`` is that of all of them.
    """

    __slots__ = ("_behind", "_tell", "clock")

    def __init__(
        self,
        tell: Callable[[bool], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self.clock = clock
        self._behind = 0

    def changed(self, is_behind: bool) -> None:
        """A backlog has fallen behind, or has caught up."""
        self._behind += 1 if is_behind else -1
        if self._behind == (1 if is_behind else 0):
            self._tell(is_behind)


class Backlog:
    """What waits at one datagram socket."""

    __slots__ = ("_clock", "_pressure", "_seen", "is_behind", "is_stuck", "since")

    def __init__(self, pressure: Pressure) -> None:
        self._pressure = pressure
        self._clock = pressure.clock
        self._seen = 0.0
        self.since = 0.0
        """The instant since which the socket has been full; 0 when it is not."""
        self.is_behind = False
        self.is_stuck = False
        """Behind for as long again, though new requests wait unread meanwhile."""

    def waits(self, is_much: bool) -> bool:
        """A read found as many datagrams as it asked for; ``is_much`` when it asked for
        as many as one may.  Returns whether that has been so for ``PATIENCE`` seconds.

        Only then, and when there is much, is the socket behind: a few datagrams at a
        time may have come each in time.
        """
        self._seen = now = self._clock()
        if not self.since:
            self.since = now
            return False
        is_late = now - self.since >= PATIENCE
        if is_late and is_much and not self.is_behind:
            self.is_behind = True
            self._pressure.changed(True)
        self.is_stuck = self.is_behind and now - self.since >= 2 * PATIENCE
        return is_late

    def is_full(self, since: float) -> bool:
        """Whether reads have found the socket full since that instant, and none has
        emptied it.  The loop must have looked at the socket since then.

        Where there was no full read at all, it has become empty without a read that
        showed it.
        """
        if self.since and self._seen < since:
            self.emptied()
        return 0 < self.since <= since

    def emptied(self) -> None:
        """A read has emptied the socket, or the socket is closed."""
        self.since = 0.0
        self.is_stuck = False
        if self.is_behind:
            self.is_behind = False
            self._pressure.changed(False)
