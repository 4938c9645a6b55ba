"""A bounded queue of things to save, in order.

While the store is slow or away, we must not keep everything that strangers cause: when
the queue is full, the oldest thing is dropped and counted.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from proxy.server.store_side.store_writes import StoreWrites
from proxy.server.tasks import Tasks
from proxy.sip.errors import SipError
from proxy.store.errors import StoreError

log = structlog.get_logger()

MOST: Final = 1000

T = TypeVar("T")


class SaveQueue(Generic[T]):
    """The queue; ``kind`` is what the things are called in log and metrics."""

    def __init__(
        self,
        kind: str,
        save: Callable[[T], Awaitable[object]],
        tasks: Tasks,
        writes: StoreWrites,
        most: int = MOST,
    ) -> None:
        self._kind = kind
        self._save = save
        self._tasks = tasks
        self._writes = writes
        self._waiting: deque[T] = deque()
        self._most = most
        self._is_saving = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, thing: T) -> None:
        """Save it when its turn comes."""
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self._writes.dropped[self._kind] += 1
        self._waiting.append(thing)
        if not self._is_saving:
            self._is_saving = True
            self._tasks.start(self._run(), f"save-{self._kind}")

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._try(self._waiting.popleft())
        finally:
            self._is_saving = False

    async def _try(self, thing: T) -> None:
        try:
            await self._save(thing)
        except StoreError as error:
            # Do not try again: the thing will happen again, or is only a hint.
            self._writes.dropped[self._kind] += 1
            self._writes.failed(error)
            log.warning("note.not_saved", kind=self._kind, reason=str(error))
        except SipError as error:
            log.error("note.not_saved", kind=self._kind, reason=str(error))
        else:
            self._writes.done()
