"""Reads from the ledger, for the metrics, how many legacy users are left, and how full
the list of unserved addresses is.

All nodes write the ledger, so only the store has all of it, and a scrape must not wait
for that.  A small ledger is read often, so that the start of a pilot can be watched,
and a large one seldom.
"""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.endpoints.pool_usage import DAY, users_left
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

OFTEN: Final = 5.0
SELDOM: Final = 300.0
RECENT_DAYS: Final = 14
MANY: Final = 1000
"""Users from which on the ledger is read seldom, because that takes a while."""


async def count_users(store: Store, state: ServiceState) -> None:
    """Keep ``state.users_left`` and ``state.unknown_held`` up to date, until cancelled;
    of several workers only the first one does."""
    while True:
        try:
            rows = await store.user_days()
            state.users_left = users_left(rows, int(clock.wall() // DAY) - RECENT_DAYS)
            state.unknown_held = await store.unknown_held()
        except StoreError as error:
            log.debug("store.unavailable", reason=str(error))
        count = sum(state.users_left.values())
        await asyncio.sleep(OFTEN if count < MANY else SELDOM)
