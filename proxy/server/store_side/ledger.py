"""Saves the usage ledger in batches.

Requests are counted when the access records are flushed (0.25 s), and saved every half
second.  So ``kill -9`` loses the counts of the last second at most, and a stop loses
none.
"""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.endpoints.pool_usage import DAY, PoolUsage, UserDays, added
from proxy.endpoints.unknown import MOST_FRESH, UnknownBook, bounded_unknown
from proxy.endpoints.usage import Usage, bounded, merged
from proxy.endpoints.usage_book import UsageBook
from proxy.server.runtime import Runtime
from proxy.server.store_side.store_writes import StoreWrites
from proxy.sip.finished import Group
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

SAVE: Final = 0.5
FORGET: Final = 3600.0
SLICE: Final = 32
"""Clients whose rows are made in one turn of the loop: all those of half a second would
hold up messages for some milliseconds."""
MOST_UNSAVED: Final = 10_000
"""Clients whose counts are kept while the store takes no changes."""


class LedgerWriter:
    """Takes counts out of ``book`` and ``unknown`` and adds them to the store.

    What waits is bounded: the clients that have been silent for longest are counted
    together, without their names.
    """

    def __init__(self, store: Store, writes: StoreWrites | None = None) -> None:
        self.book = UsageBook()
        self.unknown = UnknownBook()
        self._store = store
        self._writes = writes or StoreWrites()
        self._fresh: list[Usage] = []
        self._unsaved: list[Usage] = []
        self._pools: list[PoolUsage] = []
        self._users: list[UserDays] = []
        self._unknown: list[Usage] = []
        self._saving: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._unsaved)

    def count_all(self, group: Group) -> None:
        """Take finished requests into account."""
        for record, at in self.book.count_all(group):
            self.unknown.count(record, at)

    async def run(self) -> None:
        """Save until cancelled; counts that could not be saved are kept for the next
        time."""
        while True:
            await asyncio.sleep(SAVE)
            for _ in range(len(self.book) // SLICE):
                self._fresh += self.book.take(SLICE)
                await asyncio.sleep(0)
            self._take()
            if self._has_any() and (self._saving is None or self._saving.done()):
                self._begin()

    def _has_any(self) -> bool:
        return bool(self._unsaved or self._pools or self._users or self._unknown)

    def _take(self) -> None:
        """Empty the book, which holds whole requests, also while a save goes on."""
        self._keep(*self.book.take_pools())
        fresh = self._fresh + self.book.take()
        self._fresh = []
        waiting = merged(self._unsaved, fresh) if self._unsaved else fresh
        self._unsaved, dropped = bounded(waiting, MOST_UNSAVED)
        self._writes.dropped["usage"] += dropped
        self._unknown = _joined(self._unknown, self.unknown.take())

    def _keep(self, pools: list[PoolUsage], users: list[UserDays]) -> None:
        """Add to the waiting counts of pools, which have one row for each pool and day,
        and of users."""
        self._pools = list(added([*self._pools, *pools]).values())
        self._users = [*self._users, *users][-MOST_UNSAVED:]

    def _begin(self) -> asyncio.Task[None]:
        """Save what waits, in a task of its own: a cancelled ``run`` must not leave a
        save half done, which would be repeated."""
        rows, self._unsaved = self._unsaved, []
        pools, self._pools = self._pools, []
        users, self._users = self._users, []
        unknown, self._unknown = self._unknown, []
        writing = self._write(rows, pools, users, unknown)
        self._saving = asyncio.get_running_loop().create_task(writing)
        return self._saving

    async def _write(
        self,
        rows: list[Usage],
        pools: list[PoolUsage],
        users: list[UserDays],
        unknown: list[Usage],
    ) -> None:
        try:
            await self._store.add_usage(rows, pools, users)
            rows, pools, users = [], [], []
            await self._store.add_unknown(unknown)
        except StoreError as error:
            self._writes.failed(error)
            log.warning("usage.not_saved", clients=len(rows), reason=str(error))
            self._keep(pools, users)
            self._unknown = _joined(unknown, self._unknown)
            waiting = merged(rows, self._unsaved)
            self._unsaved, dropped = bounded(waiting, MOST_UNSAVED)
            self._writes.dropped["usage"] += dropped
        else:
            self._writes.done()

    async def close(self) -> None:
        """Save what is left; ``run`` has ended."""
        if self._saving is not None:
            await self._saving
        self._take()
        if self._has_any():
            await self._begin()


def _joined(older: list[Usage], newer: list[Usage]) -> list[Usage]:
    """The waiting counts of addresses that nobody serves; mostly there are none."""
    if not older or not newer:
        return older or newer
    return bounded_unknown(merged(older, newer), MOST_FRESH)


async def forget_days(store: Store, runtime: Runtime) -> None:
    """Once an hour forget the days that are older than ``[usage] keep_days``."""
    while True:
        keep_days = runtime.config.usage.keep_days
        try:
            await store.forget_days(int(clock.wall() // DAY) - keep_days)
        except StoreError as error:
            runtime.writes.failed(error)
            log.warning("store.unavailable", reason=str(error))
        await asyncio.sleep(FORGET)
