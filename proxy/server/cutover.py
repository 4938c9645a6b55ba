"""The automatic rollback of a cutover that nobody confirmed, while a server runs.

Armed in the store, so it outlives a restart; several servers on one store may all try,
and the store's transaction lets one of them do it.
"""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.admin.cutover import roll_back_overdue
from proxy.server.runtime import Runtime
from proxy.store.interface import Store, StoreError

log = structlog.get_logger()

LOOK: Final = 0.25
"""Seconds between two looks at the clock."""


async def roll_back(store: Store) -> bool:
    """Undo the newest cutover when it is overdue; True when this did it."""
    try:
        undone = await roll_back_overdue(store, clock.wall())
    except StoreError as error:
        log.error("cutover.not_rolled_back", reason=str(error))
        return False
    if undone is not None:
        log.warning(
            "cutover.rolled_back",
            cutover=undone.number,
            endpoints=len(undone.switches),
            reason="not confirmed in time",
        )
    return undone is not None


async def watch_cutover(store: Store, runtime: Runtime) -> None:
    """Roll back when the table's newest cutover becomes overdue."""
    while True:
        await asyncio.sleep(LOOK)
        armed = runtime.core.router.table.cutover
        # The table follows the store: when it is stale, the store says no.
        if armed is not None and armed.is_overdue(clock.wall()):
            await roll_back(store)
