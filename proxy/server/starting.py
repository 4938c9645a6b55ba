"""Tries to start until it works (decision 84).

A store that is away, locked or full, a port still in use or an address that is not
there yet may pass by itself, often because the machine is just coming up.  Trouble that
only a person can mend ends the start with exit code 3.  While it waits, the service is
not ready.  It tells the reason to the service manager, to the log once a minute, and in
``ServiceState`` to its pages.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from proxy import clock
from proxy.config.keys import KeyFileError
from proxy.net.errors import NetError
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError

log = structlog.get_logger()

AGAIN: Final = 1.0
"""Seconds between two tries."""
TELL_EVERY: Final = 60.0
StartError = (NetError, StoreError, KeyFileError)
T = TypeVar("T")


def is_passing(error: Exception) -> bool:
    """True when an error may pass by itself."""
    return isinstance(error, NetError | StoreError) and error.is_passing


class Waiting:
    """Tells why a start waits: ``tell_manager`` each time, and the log once a minute
    unless ``is_quiet``."""

    def __init__(
        self,
        state: ServiceState,
        tell_manager: Callable[[str], None],
        *,
        is_quiet: bool = False,
    ) -> None:
        self._state = state
        self._tell_manager = tell_manager
        self._is_quiet = is_quiet
        self._since = self._told_at = float("-inf")

    def tell(self, reason: str) -> None:
        """The service cannot start yet."""
        now = clock.monotonic()
        is_new = not self._state.waits_for
        if is_new:
            self._since = now
        if not self._is_quiet and (is_new or now - self._told_at >= TELL_EVERY):
            self._told_at = now
            waited = round(now - self._since)
            log.error("service.waiting", reason=reason, waited_seconds=waited)
        self._state.waits_for = reason
        self._tell_manager(reason)

    def end(self) -> None:
        """The service has started, or gives up."""
        if self._state.waits_for and not self._is_quiet:
            waited = round(clock.monotonic() - self._since, 1)
            log.info("service.waited", waited_seconds=waited)
        self._state.waits_for = ""


async def until_started(
    attempt: Callable[[], Awaitable[T]],
    ended: asyncio.Event,
    waiting: Waiting,
    on_wait: Callable[[], Awaitable[None]] | None = None,
) -> T | None:
    """What ``attempt`` returns once it can; None when the service is ended before.

    Raises one of ``StartError`` when waiting is no use.  ``attempt`` leaves nothing
    open when it raises.  ``on_wait`` is called after each try that failed.
    """
    while not ended.is_set():
        try:
            started = await attempt()
        except StartError as error:
            if not is_passing(error):
                raise
            waiting.tell(str(error))
        else:
            waiting.end()
            return started
        if on_wait is not None:
            await on_wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), AGAIN)
    waiting.end()
    return None
