"""The event loop's wait, which serves our own sockets and one timer itself.

asyncio spends more on a turn of its loop (heap, ready queue, handle, context) than we
spend on a message (decision 30).  So the wait itself calls the callback of a socket
that is served here.  It returns to asyncio only when asyncio has something to do: an
event of its own, a callback, or a timer.
"""

import math
import select
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger()

_NEVER: Final = math.inf
_IN: Final = 0x001  # EPOLLIN
_OUT: Final = 0x004  # EPOLLOUT
_EVENTS: Final = 64  # asked of the kernel at once ...
_MANY_EVENTS: Final = 256  # ... and when so many were not all
_QUIET: Final = 8
"""Up to this many ready sockets are served whatever their source (decision 114)."""
_FAIR: Final = 1
"""Beyond that, so many sockets of each source."""
SLICE: Final = 0.0005
"""Seconds for which sockets with a source are served before those without one get
their next turn."""
LONGEST: Final = 0.004
"""Seconds after which the rest of a crowd has to wait for the next turn."""
_monotonic: Final = time.monotonic


class Wait:
    """Waits on ``epoll`` for ``loop``, an asyncio event loop.

    ``alarm`` is called once, at ``alarm_at`` on the loop's clock or a little later;
    both may be set at any time from the loop's own thread.
    """

    __slots__ = (
        "_direct",
        "_epoll",
        "_first",
        "_loop",
        "_most",
        "_sources",
        "_start",
        "_writers",
        "alarm",
        "alarm_at",
    )

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._first = select.epoll()  # the sockets without a source, once more
        self._direct: dict[int, Callable[[], None]] = {}
        self._sources: dict[int, str] = {}
        self._most = _EVENTS
        self._start = 0
        self._writers: dict[int, Callable[[], None]] = {}
        self._loop: Any = None
        self.alarm_at = _NEVER
        self.alarm: Callable[[], None] | None = None

    @property
    def epoll(self) -> select.epoll:
        """The epoll object that is waited on."""
        return self._epoll

    def follow(self, loop: Any) -> None:
        """Return from ``run`` when this loop has something to do."""
        self._loop = loop

    def serve(
        self,
        descriptor: int,
        readable: Callable[[], None],
        writable: Callable[[], None] | None = None,
        source: str = "",
    ) -> None:
        """Call ``readable`` whenever the socket can be read or has failed.

        ``readable`` may leave something unread, and is called again then.  It must not
        block; what it raises is logged.  ``writable`` is called as long as ``change``
        asks for it.  When many sockets are ready, those of one ``source`` share their
        turns; a socket without a source comes before all others.
        """
        self._epoll.register(descriptor, _IN)
        if source:
            self._sources[descriptor] = source
        else:
            self._first.register(descriptor, _IN)
        self._direct[descriptor] = readable
        if writable is not None:
            self._writers[descriptor] = writable

    def change(self, descriptor: int, reads: bool, writes: bool) -> None:
        """Wait for these events of the socket from now on."""
        mask = (_IN if reads else 0) | (_OUT if writes else 0)
        self._epoll.modify(descriptor, mask)
        if descriptor not in self._sources:
            self._first.modify(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """Serve this socket no longer; it must still be open."""
        del self._direct[descriptor]
        self._writers.pop(descriptor, None)
        if self._sources.pop(descriptor, None) is None:
            self._first.unregister(descriptor)
        self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Close epoll; nothing is served any more."""
        self._direct.clear()
        self._writers.clear()
        self._sources.clear()
        self.alarm_at = _NEVER
        self._first.close()
        self._epoll.close()

    def run(self, timeout: float) -> list[tuple[int, int]]:
        """Serve for up to ``timeout`` seconds (infinity: for ever).

        Returns the events of sockets that are not served here, as soon as there are
        any, and nothing when the loop has something else to do.
        """
        loop = self._loop
        timers: int = len(loop._scheduled)
        poll = self._epoll.poll
        now: float = _monotonic()
        end = now + timeout
        while True:
            until = min(end, self.alarm_at)
            left = -1.0 if until == _NEVER else max(until - now, 0.0)
            found = poll(left, self._most)
            others = self._crowd(found) if len(found) > _QUIET else self._serve(found)
            now = _monotonic()
            if self.alarm_at <= now:
                self._ring()
                now = _monotonic()
            if others or loop._ready or now >= end or len(loop._scheduled) != timers:
                return others

    def _crowd(self, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Serve of many ready sockets those without a source, then some of the rest.

        Otherwise two hundred connections of one peer would have two hundred messages
        read before the next one of anybody else.  Sockets left out stay ready.
        """
        self._most = _MANY_EVENTS if len(found) >= _EVENTS else _EVENTS
        others = self._serve([each for each in found if each[0] not in self._sources])
        rest = [each for each in found if each[0] in self._sources]
        now: float = _monotonic()
        end, until = now + LONGEST, now + SLICE
        for place in self._fair(rest):
            others += self._serve([rest[place]])
            now = _monotonic()
            if now >= until:
                others += self._serve(self._first.poll(0, _QUIET))
                until = _monotonic() + SLICE
                if now >= end or self.alarm_at <= now or self._loop._ready:
                    self._start = place + 1
                    break
        return others

    def _fair(self, rest: list[tuple[int, int]]) -> list[int]:
        """Which of the ready sockets with a source are served before the next poll:
        ``_QUIET`` of anybody, and beyond these ``_FAIR`` of each source."""
        chosen: list[int] = []
        counts: dict[str, int] = {}
        count = len(rest)
        start = self._start
        # Begin elsewhere each time: epoll keeps the order of what stays ready.
        self._start = start + _QUIET
        for number in range(start, start + count):
            place = number % count
            source = self._sources[rest[place][0]]
            taken = counts.get(source, 0)
            if len(chosen) < _QUIET or taken < _FAIR:
                counts[source] = taken + 1
                chosen.append(place)
        return chosen

    def _serve(self, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
        others: list[tuple[int, int]] = []
        for descriptor, event in found:
            readable = self._direct.get(descriptor)
            if readable is None:
                others.append((descriptor, event))
                continue
            try:
                if event != _OUT:
                    readable()
                if event & _OUT:
                    writable = self._writers.get(descriptor)
                    if writable is not None:
                        writable()
            except Exception:
                log.exception("socket.failed", descriptor=descriptor)
        return others

    def _ring(self) -> None:
        alarm, self.alarm_at = self.alarm, _NEVER
        if alarm is None:
            return
        try:
            alarm()
        except Exception:
            log.exception("alarm.failed")
