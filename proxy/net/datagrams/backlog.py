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
STALE: Final = 2.0
"""Seconds since the last full read after which the socket counts as empty."""

_monotonic: Final = time.monotonic


class Pressure:
    """All backlogs of a process.

    ``tell`` is called with True when the first one falls behind, and with False when
    the last one has caught up.
    """

    __slots__ = ("_behind", "_tell")

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self._tell = tell
        self._behind = 0

    def changed(self, is_behind: bool) -> None:
        """A backlog has fallen behind, or has caught up."""
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
        """The instant since which the socket has been full; 0 when it is not."""
        self.is_behind = False

    def waits(self) -> None:
        """A read was as large as reads may be, so more datagrams wait."""
        self._seen = now = _monotonic()
        if not self.since:
            self.since = now
        elif not self.is_behind and now - self.since >= PATIENCE:
            self.is_behind = True
            self._pressure.changed(True)

    def is_full(self, since: float) -> bool:
        """Whether the socket has been full all the time since that instant.

        When the last full read is ``STALE`` seconds old, the socket has become empty
        without a read that showed it.
        """
        if self.since and _monotonic() - self._seen > STALE:
            self.emptied()
        return 0 < self.since <= since

    def emptied(self) -> None:
        """A read has emptied the socket, or the socket is closed."""
        self.since = 0.0
        if self.is_behind:
            self.is_behind = False
            self._pressure.changed(False)
