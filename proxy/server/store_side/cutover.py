"""The automatic rollback of a cutover that nobody confirms, while a server runs.

It is armed in the store, so it outlives a restart (decision 46).  All servers of one
store may try; the store's transaction lets one of them do it.
"""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.admin.cutover import roll_back_overdue
from proxy.endpoints.model import Cutover, Uptime
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

LOOK: Final = 0.25
"""Seconds between two looks at the clock."""
AGAIN: Final = 1.0
TELL_EVERY: Final = 60.0


class Deadline:
    """When the newest cutover is overdue, on a clock that cannot be set.

    The machine that applied it counts by its time since boot.  Another machine counts
    from when it first saw the cutover: it trusts its clock at that moment, and later
    settings of the clock do not count.
    """

    def __init__(self) -> None:
        self._of: tuple[int, float | None] = (0, None)
        self._over_at = 0.0

    def is_over(self, cutover: Cutover, now: float, uptime: Uptime) -> bool:
        """True when it should have been confirmed by now, and was not."""
        if cutover.machine == uptime[0]:
            return cutover.is_overdue(now, uptime)
        of = cutover.number, cutover.confirm_by
        if of != self._of:
            self._of = of
            self._over_at = uptime[1] + (cutover.left(now) or 0.0)
        return (
            cutover.state == "applied"
            and cutover.confirm_by is not None
            and uptime[1] >= self._over_at
        )


class Rollback:
    """Rolls a cutover back.

    When it cannot, it logs that once a minute, and sets ``state``, from which status,
    metrics and alert take it.
    """

    def __init__(self, store: Store, state: ServiceState) -> None:
        self._store = store
        self._state = state
        self._told_at = float("-inf")
        self.next_try = float("-inf")

    async def attempt(self, now: float | None = None) -> None:
        """Roll the newest cutover back if it is overdue."""
        now = clock.wall() if now is None else now
        try:
            undone = await roll_back_overdue(self._store, now, clock.uptime())
        except StoreError as error:
            self._failed(error)
            return
        self.settled()
        if undone is not None:
            log.warning(
                "cutover.rolled_back",
                cutover=undone.number,
                endpoints=len(undone.switches),
                reason="not confirmed in time",
            )

    def _failed(self, error: StoreError) -> None:
        steady = clock.monotonic()
        self.next_try = steady + AGAIN
        self._state.writes.failed(error)
        self._state.cutover_stands(
            f"an unconfirmed cutover is overdue and could not be rolled back: {error}"
        )
        if steady - self._told_at >= TELL_EVERY:
            self._told_at = steady
            log.error("cutover.not_rolled_back", reason=str(error))

    def settled(self) -> None:
        """Nothing is overdue any more."""
        self._state.cutover_stands("")
        self._told_at = self.next_try = float("-inf")


async def watch_cutover(store: Store, runtime: Runtime, state: ServiceState) -> None:
    """Roll back when the table's newest cutover becomes overdue."""
    deadline, rollback = Deadline(), Rollback(store, state)
    while True:
        await asyncio.sleep(LOOK)
        armed = runtime.core.router.table.cutover
        wall = clock.wall()
        # The table may be older than the store; then the store refuses.
        if armed is None or not deadline.is_over(armed, wall, clock.uptime()):
            rollback.settled()
        elif clock.monotonic() >= rollback.next_try:
            await rollback.attempt(max(wall, armed.confirm_by or wall))
