"""Background tasks with an owner.

A bare ``asyncio.create_task`` can vanish in garbage collection and hides its
exception; a task started here is kept, logged when it fails, and ended with its owner.
One that shall run for ever is begun again when it fails, after a pause that grows, and
counts as down until it has held for a while.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from proxy import clock

log = structlog.get_logger()

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
HOLDS_AFTER: Final = 3.0
"""Seconds that a task must have run to count as one that works."""

ROUTING: Final = frozenset({"follow-store", "nodes", "watch-cutover", "watch-guard"})
"""Without these tasks we may route by old data: the service is not ready."""


class Tasks:
    """A set of background tasks.

    ``down`` has, with the reason, the endless tasks that have failed and have not held
    for a while since.  ``restarts`` counts by name.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.down: dict[str, str] = {}
        self.restarts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run ``work``; a failure is logged under ``name``."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def keep(
        self,
        work: Callable[[], Coroutine[Any, Any, Any]],
        name: str,
        longest_pause: float = LONGEST_PAUSE,
    ) -> asyncio.Task[Any]:
        """Run the coroutine of ``work`` until it returns; begin again when it fails."""
        return self.start(self._keep(work, name, longest_pause), name)

    async def _keep(
        self,
        work: Callable[[], Coroutine[Any, Any, Any]],
        name: str,
        longest_pause: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            begun = clock.monotonic()
            holds = loop.call_later(HOLDS_AFTER, self.down.pop, name, None)
            try:
                await work()
                self.down.pop(name, None)
                return
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Nobody cancelled this task: something that it awaited was cancelled.
                failure: BaseException = error
            except Exception as error:
                failure = error
            finally:
                holds.cancel()
            if clock.monotonic() - begun > HOLDS_AFTER:
                pause = FIRST_PAUSE
            self.down[name] = str(failure) or type(failure).__name__
            self.restarts[name] += 1
            log.error(
                "task.failed", task=name, restart_in=round(pause, 1), exc_info=failure
            )
            del failure  # its traceback holds our frame
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest_pause)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task.failed", task=task.get_name(), exc_info=error)

    async def close(self) -> None:
        """End all tasks and wait for them."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
