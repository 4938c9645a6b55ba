"""How many legacy users are left, and how full the list of addresses is that nobody
serves, for the metrics: read from the ledger now and then.

The ledger is the store's, and all nodes write it; a scrape must not read it.  A small
one is read often enough to be followed while a pilot begins, a large one seldom.
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
"""Users whose rows take a while to read."""


async def count_users(store: Store, state: ServiceState) -> None:
    """Keep ``state.users_left`` and ``unknown_held``, for ever; of several workers one
    does."""
    while True:
        try:
            rows = await store.user_days()
            state.users_left = users_left(rows, int(clock.wall() // DAY) - RECENT_DAYS)
            state.unknown_held = await store.unknown_held()
        except StoreError as error:
            log.debug("store.unavailable", reason=str(error))
        count = sum(state.users_left.values())
        await asyncio.sleep(OFTEN if count < MANY else SELDOM)
