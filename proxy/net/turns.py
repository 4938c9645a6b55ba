"""The event loop's wait, with a short way round for our own sockets and one timer.

asyncio spends more on a turn (heap, ready queue, handle, context) than the message
path on a message.  A socket served here is called straight from the wait, and the wait
goes on by itself until asyncio has something to do: an event of its own, a callback, a
timer.
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
_EVENTS: Final = 64  # taken from the kernel at once ...
_MANY_EVENTS: Final = 256  # ... and when that was not all
_QUIET: Final = 8
"""So many sockets are served in a row whoever is at the other end ..."""
_FAIR: Final = 1
"""... and of each source so many, whatever the others do."""
_monotonic: Final = time.monotonic


class Turns:
    """Waits on ``epoll`` for ``loop``, an asyncio event loop.

    ``alarm`` is called once, at ``alarm_at`` on the loop's clock or a little later;
    both may be set at any time from the loop's own thread.
    """

    __slots__ = (
        "_direct",
        "_epoll",
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
        """What is waited on."""
        return self._epoll

    def follow(self, loop: Any) -> None:
        """Return from ``wait`` when this loop has something to do."""
        self._loop = loop

    def serve(
        self,
        descriptor: int,
        readable: Callable[[], None],
        writable: Callable[[], None] | None = None,
        source: str = "",
    ) -> None:
        """Call ``readable`` whenever the socket can be read or has failed.

        It may leave something unread, to be called again, and may not block; what it
        raises is logged.  ``writable`` is called while ``change`` says so.  Sockets of
        one ``source`` share their turns when many are ready; one without is always
        served.
        """
        if source:
            self._sources[descriptor] = source
        self._epoll.register(descriptor, _IN)
        self._direct[descriptor] = readable
        if writable is not None:
            self._writers[descriptor] = writable

    def change(self, descriptor: int, reads: bool, writes: bool) -> None:
        """What to wait for on this socket from now on."""
        mask = (_IN if reads else 0) | (_OUT if writes else 0)
        self._epoll.modify(descriptor, mask)

    def forget(self, descriptor: int) -> None:
        """No longer serve this socket."""
        del self._direct[descriptor]
        self._writers.pop(descriptor, None)
        self._sources.pop(descriptor, None)
        self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Close epoll; nothing is served any more."""
        self._direct.clear()
        self._writers.clear()
        self._sources.clear()
        self.alarm_at = _NEVER
        self._epoll.close()

    def wait(self, timeout: float) -> list[tuple[int, int]]:
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
            if len(found) > _QUIET:
                found = self._fair(found)
            others = self._serve(found)
            now = _monotonic()
            if self.alarm_at <= now:
                self._ring()
                now = _monotonic()
            if others or loop._ready or now >= end or len(loop._scheduled) != timers:
                return others

    def _fair(self, found: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Those of many ready sockets that are served before the kernel is asked again.

        Two hundred connections of one peer would otherwise have two hundred messages
        read before anybody else's next one.  What is left out stays ready.
        """
        self._most = _MANY_EVENTS if len(found) >= _EVENTS else _EVENTS
        # Another one begins each time: epoll keeps the order of what stays ready.
        self._start = start = (self._start + _QUIET) % len(found)
        chosen: list[tuple[int, int]] = []
        counts: dict[str, int] = {}
        for each in found[start:] + found[:start]:
            source = self._sources.get(each[0])
            if source is not None:
                count = counts.get(source, 0)
                if len(chosen) >= _QUIET and count >= _FAIR:
                    continue
                counts[source] = count + 1
            chosen.append(each)
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
