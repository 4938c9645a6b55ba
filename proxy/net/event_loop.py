"""An event loop whose selector serves our UDP, TCP and TLS sockets by itself.

``wait.py`` serves them without the loop.  The events of all other sockets go to the
loop as usual.
"""

import asyncio
import contextlib
import math
import select
import sys
from collections.abc import Callable, Iterator, Mapping, Sized
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any, Final

from proxy.net.wait import Wait

NEEDED: Final = ("_ready", "_scheduled")
"""asyncio's attributes for due callbacks and for timers.  They are private, so we check
at the start that they are there."""
_NOT_READ: Final = ~select.EPOLLIN
_NOT_WRITE: Final = ~select.EPOLLOUT


class _Keys(Mapping[Any, SelectorKey]):
    """A selector's keys by descriptor or by the object that has it, as asyncio asks
    for them from Python 3.13 on."""

    def __init__(self, keys: dict[int, SelectorKey]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __getitem__(self, fileobj: Any) -> SelectorKey:
        return self._keys[_descriptor(fileobj)]


class DirectSelector(BaseSelector):
    """Like ``selectors.EpollSelector``, but ``wait`` serves some of the sockets."""

    def __init__(self) -> None:
        self.wait = Wait()
        self._epoll = self.wait.epoll
        self._keys: dict[int, SelectorKey] = {}
        self._map = _Keys(self._keys)

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Serve the direct sockets that are readable; return the other events."""
        found = self.wait.run(math.inf if timeout is None else max(timeout, 0.0))
        ready = []
        for descriptor, event in found:
            key = self._keys.get(descriptor)
            if key is not None:
                events = (EVENT_READ if event & _NOT_WRITE else 0) | (
                    EVENT_WRITE if event & _NOT_READ else 0
                )
                ready.append((key, events & key.events))
        return ready

    # -- what asyncio asks of a selector -----------------------------------------

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """As in ``selectors``; a socket served directly may still ask to write."""
        descriptor = _descriptor(fileobj)
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        key = SelectorKey(fileobj, descriptor, events, data)
        self._epoll.register(descriptor, _mask(events))
        self._keys[descriptor] = key
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        """As in ``selectors``; KeyError for what is not registered."""
        key = self._keys.pop(_descriptor(fileobj))
        with contextlib.suppress(OSError):  # closed before it was unregistered
            self._epoll.unregister(key.fd)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        """As in ``selectors``."""
        old = self._keys[_descriptor(fileobj)]
        if events != old.events:
            self._epoll.modify(old.fd, _mask(events))
        key = SelectorKey(old.fileobj, old.fd, events, data)
        self._keys[old.fd] = key
        return key

    def get_map(self) -> Mapping[Any, SelectorKey]:
        """As in ``selectors``: what is registered, and the keys."""
        return self._map

    def get_key(self, fileobj: Any) -> SelectorKey:
        """As in ``selectors``; KeyError for what is not registered."""
        return self._keys[_descriptor(fileobj)]

    def close(self) -> None:
        """Close epoll; nothing is served any more."""
        self._keys.clear()
        self.wait.close()


def _descriptor(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())


def _mask(events: int) -> int:
    return (select.EPOLLIN if events & EVENT_READ else 0) | (
        select.EPOLLOUT if events & EVENT_WRITE else 0
    )


class DirectEventLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a ``DirectSelector``, whose ``wait`` serves our sockets
    and has the one timer of ``Alarm``."""

    def __init__(self) -> None:
        selector = DirectSelector()
        self.wait = selector.wait
        self.wait.follow(self)
        super().__init__(selector)


def missing_parts(loop: asyncio.AbstractEventLoop) -> list[str]:
    """The attributes that ``Wait`` needs and this loop does not have."""
    return [x for x in NEEDED if not isinstance(getattr(loop, x, None), Sized)]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The direct loop; asyncio's own loop on other systems than Linux, and where a new
    asyncio lacks what we need.

    Everything works on asyncio's own loop as well, but each message costs more.
    """
    if sys.platform != "linux":
        return asyncio.new_event_loop()
    loop = DirectEventLoop()
    if not missing_parts(loop):
        return loop
    loop.close()
    return asyncio.new_event_loop()


class Alarm:
    """One timer that is moved often: ``ring`` is called at the instant set last."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._wait = loop.wait if isinstance(loop, DirectEventLoop) else None
        if self._wait is not None:
            self._wait.alarm = ring

    def set(self, at: float) -> None:
        """Ring at ``at`` on the loop's clock, and not at the instant set before."""
        if self._wait is not None:
            self._wait.alarm_at = at
            return
        self.cancel()
        self._handle = self._loop.call_at(at, self._ring)

    def cancel(self) -> None:
        """Do not ring."""
        if self._wait is not None:
            self._wait.alarm_at = math.inf
        elif self._handle is not None:
            self._handle.cancel()
