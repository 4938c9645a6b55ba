"""Brings drained front ends back when their time is over.

The core stops heeding a drain at its end by itself.  This module removes its row, so
that history, log and every other node are told.  Several nodes may try; the store's
transaction lets one of them do it.
"""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.endpoints.drains import end_drains
from proxy.server.runtime import Runtime
from proxy.store.actor import Actor
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

LOOK: Final = 1.0
AGAIN: Final = 5.0
"""Seconds to the next try when the store takes no changes; the row does no harm."""
_ITSELF: Final = Actor("waypost", "time over")


async def watch_drains(store: Store, runtime: Runtime) -> None:
    """Remove drains that have ended, until cancelled."""
    while True:
        await asyncio.sleep(LOOK)
        now = clock.wall()
        if not any(x.has_ended(now) for x in runtime.core.router.table.drains):
            continue
        try:
            await store.change(_ITSELF, "pool.undrain", end_drains(now), now)
        except StoreError as error:
            log.warning("pool.not_undrained", reason=str(error))
            await asyncio.sleep(AGAIN)
