"""An event loop whose epoll selector serves datagram sockets by itself.

asyncio spends about as much on handing a readable socket to its callback (key, handle,
ready queue, context) as the callback spends on a datagram.  A socket given to ``serve``
is called straight from ``select``; everything else is reported to the event loop as
always.
"""

import asyncio
import contextlib
import math
import select
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any, Final

import structlog

log = structlog.get_logger()

_NOT_READ: Final = ~select.EPOLLIN
_NOT_WRITE: Final = ~select.EPOLLOUT


class DirectSelector(BaseSelector):
    """``selectors.EpollSelector`` with a short way for some sockets."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._keys: dict[int, SelectorKey] = {}
        self._direct: dict[int, Callable[[], None]] = {}

    def serve(self, descriptor: int, readable: Callable[[], None]) -> None:
        """Call ``readable`` whenever the socket can be read.

        It must read until nothing is left or be glad to be called again, and may not
        block; what it raises is logged.
        """
        self._epoll.register(descriptor, select.EPOLLIN)
        self._direct[descriptor] = readable

    def forget(self, descriptor: int) -> None:
        """No longer serve this socket."""
        del self._direct[descriptor]
        self._epoll.unregister(descriptor)

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Serve the direct sockets that are readable; return the other events."""
        if timeout is None:
            wait = -1.0
        elif timeout <= 0:
            wait = 0.0
        else:
            # epoll counts milliseconds: round up, or the loop would spin.
            wait = math.ceil(timeout * 1e3) * 1e-3
        try:
            found = self._epoll.poll(wait)
        except InterruptedError:
            return []
        ready = []
        for descriptor, event in found:
            readable = self._direct.get(descriptor)
            if readable is None:
                key = self._keys.get(descriptor)
                if key is not None:
                    events = (EVENT_READ if event & _NOT_WRITE else 0) | (
                        EVENT_WRITE if event & _NOT_READ else 0
                    )
                    ready.append((key, events & key.events))
                continue
            try:
                readable()
            except Exception:
                log.exception("socket.failed", descriptor=descriptor)
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
        """Registered descriptors and their keys."""
        return self._keys

    def get_key(self, fileobj: Any) -> SelectorKey:
        """As in ``selectors``; KeyError for what is not registered."""
        return self._keys[_descriptor(fileobj)]

    def close(self) -> None:
        """Close epoll; nothing is served any more."""
        self._keys.clear()
        self._direct.clear()
        self._epoll.close()


def _descriptor(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())


def _mask(events: int) -> int:
    return (select.EPOLLIN if events & EVENT_READ else 0) | (
        select.EPOLLOUT if events & EVENT_WRITE else 0
    )


class DirectEventLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop on a ``DirectSelector``, which is its ``direct``."""

    def __init__(self) -> None:
        self.direct = DirectSelector()
        super().__init__(self.direct)
