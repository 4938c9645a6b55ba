"""Whether the store takes changes: with a full disk, reads still work (decision 87).

Every writer reports its outcome.  When there has been no write for a while, we write a
value that is never read.  After a failed write the store counts as one that cannot be
written, until as much as a real change needs has been written again.  ``follow.py``
notices a store that does not answer at all.
"""

import asyncio
import contextlib
from collections import Counter
from typing import Final

import structlog

from proxy import clock
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

TRY: Final = 5.0
"""Seconds without a write after which one is tried."""
AGAIN: Final = 1.0
TELL_EVERY: Final = 60.0
TIDY: Final = 30.0
"""Seconds after which the store puts its files in order again."""


class StoreWrites:
    """Whether the store takes changes.

    ``problem`` is empty while it does; ``since`` is when it stopped, in seconds since
    the epoch.  ``dropped`` counts, by kind, what was given up because it could not be
    saved.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.since = 0.0
        self.dropped: Counter[str] = Counter()
        self._began = self._told_at = self._done_at = float("-inf")

    @property
    def lasts(self) -> float | None:
        """Seconds since it cannot be written; None while it can."""
        return clock.boottime() - self._began if self.problem else None

    @property
    def is_fresh(self) -> bool:
        """Whether something was written a moment ago."""
        return clock.boottime() - self._done_at < TRY

    def done(self) -> None:
        """A change was made; a small one does not end a problem, for a larger one may
        still find no room."""
        self._done_at = clock.boottime()

    def failed(self, error: StoreError) -> None:
        """A change could not be made; a store that is away does not count."""
        if error.is_away:
            return
        now = clock.boottime()
        if not self.problem:
            self.since, self._began = clock.wall(), now
        self.problem = str(error)
        self._done_at = float("-inf")
        if now - self._told_at >= TELL_EVERY:
            self._told_at = now
            log.error(
                "store.not_written",
                reason=str(error),
                for_seconds=round(self.lasts or 0),
            )

    def works(self) -> None:
        """As much as a real change needs has been written: the problem is over."""
        self.done()
        if self.problem:
            log.info("store.written", after_seconds=round(self.lasts or 0, 1))
        self.problem = ""
        self._told_at = float("-inf")

    async def attempt(self, store: Store) -> None:
        """Try to write; raises StoreError when the store cannot be written."""
        try:
            await store.try_write(is_thorough=bool(self.problem))
        except StoreError as error:
            self.failed(error)
            raise
        self.works()

    async def begin(self, store: Store) -> None:
        """Try to write before the start; raises StoreError for what a person must mend.

        Passing trouble does not stop the start, because calls only need reads.
        """
        try:
            await self.attempt(store)
        except StoreError as error:
            if not error.is_passing:
                raise

    async def watch(self, store: Store, is_first: bool) -> None:
        """Try to write from time to time; of several workers only the first one does
        while all is well, and lets the store tidy up."""
        tidied_at = clock.boottime()
        while True:
            await asyncio.sleep(AGAIN)
            if is_first and clock.boottime() - tidied_at >= TIDY:
                tidied_at = clock.boottime()
                with contextlib.suppress(StoreError):  # reported by the next write
                    await store.tidy()
            if self.problem or (is_first and not self.is_fresh):
                try:
                    await self.attempt(store)
                except StoreError:
                    continue  # ``failed`` has logged it
