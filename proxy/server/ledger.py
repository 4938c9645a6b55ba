"""Saves the usage ledger in batches: at most a second of counts is in memory alone.

Requests are counted when the access records are flushed (0.25 s), and written here
every half second: what ``kill -9`` takes is the last second, and nothing on a stop.
"""

import asyncio
from typing import Final

import structlog

from proxy.endpoints.usage import Usage, UsageBook, merged
from proxy.store.interface import Store, StoreError

log = structlog.get_logger()

SAVE: Final = 0.5


class LedgerWriter:
    """Takes counts out of ``book`` and adds them to the store."""

    def __init__(self, store: Store) -> None:
        self.book = UsageBook()
        self._store = store
        self._unsaved: list[Usage] = []
        self._saving: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Save for ever; what could not be saved is kept and tried again."""
        while True:
            await asyncio.sleep(SAVE)
            await self._save()

    async def _save(self) -> None:
        fresh = self.book.take()
        self._unsaved = merged(self._unsaved, fresh) if self._unsaved else fresh
        if not self._unsaved:
            return
        loop = asyncio.get_running_loop()
        self._saving = loop.create_task(self._write(self._unsaved))
        # Whoever stops us must not make us save the same counts twice.
        await asyncio.shield(self._saving)

    async def _write(self, rows: list[Usage]) -> None:
        try:
            await self._store.add_usage(rows)
        except StoreError as error:
            log.warning("usage.not_saved", clients=len(rows), reason=str(error))
        else:
            self._unsaved = []

    async def close(self) -> None:
        """Save what is left; ``run`` has ended."""
        if self._saving is not None:
            await self._saving
        await self._save()
