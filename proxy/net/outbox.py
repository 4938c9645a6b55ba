"""Joins writes: all that one batch of events sends on a stream leaves as one write.

A reader (a UDP listener, a connection) sets ``is_batch`` before its batch and calls
``end`` after it.  What is sent outside a batch leaves in the next turn of the loop.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Flushable(Protocol):
    """A connection with something to write."""

    def flush(self) -> None: ...


class Outbox:
    """The connections that have something to write, and when they write it."""

    __slots__ = ("_dirty", "_loop", "_scheduled", "batch_ended", "is_batch")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        batch_ended: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self.batch_ended = batch_ended
        self._dirty: list[Flushable] = []
        self._scheduled = False
        self.is_batch = False

    def add(self, connection: Flushable) -> None:
        """Note a connection whose first pending message has just been queued."""
        self._dirty.append(connection)
        if not self.is_batch and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush_later)

    def end(self) -> None:
        """A batch of events is over: let the runtime finish it, then write."""
        self.is_batch = False
        if self.batch_ended is not None:
            self.batch_ended()
        if self._dirty:
            self.flush()

    def flush(self) -> None:
        """Write everything now."""
        while self._dirty:
            dirty, self._dirty = self._dirty, []
            for connection in dirty:
                connection.flush()

    def report(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call the sink on the loop's next turn, as a batch of its own."""
        self._loop.call_soon(self._report, callback, arguments)

    def _flush_later(self) -> None:
        self._scheduled = False
        self.flush()

    def _report(
        self, callback: Callable[..., None], arguments: tuple[object, ...]
    ) -> None:
        self.is_batch = True
        try:
            callback(*arguments)
        finally:
            self.end()
