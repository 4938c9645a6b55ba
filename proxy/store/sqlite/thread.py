"""The one thread in which a store works.

``loop.run_in_executor`` does the same, with two futures, a condition and a semaphore
for each piece of work; at fifty REGISTERs a second, each with a commit of its own, that
was a good part of what a REGISTER cost.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeVar

T = TypeVar("T")
_NAME: Final = "waypost-store"

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class StoreThread:
    """Does work in the order in which it is given; a daemon, so that a store which
    nobody closed does not keep the process."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        threading.Thread(
            target=_work_off, args=(self._jobs,), name=_NAME, daemon=True
        ).start()

    def do(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Have ``work`` done; its future has the result.  Work whose future has been
        cancelled before its turn comes is not done."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((loop, future, work))
        return future

    def end(self) -> None:
        """End once the work given so far is done; waits for nothing."""
        self._jobs.put(None)


def _work_off(jobs: "SimpleQueue[_Job | None]") -> None:
    while (job := jobs.get()) is not None:
        loop, future, work = job
        if not future.cancelled():
            result: Any = None
            error: BaseException | None = None
            try:
                result = work()
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(_settle, future, result, error)
            del result, error
        # The next job may be long in coming: hold nothing of this one.
        del job, loop, future, work


def _settle(
    future: "asyncio.Future[Any]", result: object, error: BaseException | None
) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
