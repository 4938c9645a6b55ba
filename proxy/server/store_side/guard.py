"""The guard of a cutover, while a server runs: counts, judges, rolls back.

Every process counts what it sees and adds it to the store, where the counts outlive it
(decision 104).  One process of each node judges the sum.  The first one that finds too
many failures rolls back; the store's transaction lets only one of them do it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from proxy import clock
from proxy.admin.guarding import roll_back_for
from proxy.endpoints.guard import GuardBook, Recent, Tally, is_guarded
from proxy.endpoints.model import Cutover
from proxy.server.chat_probe.results import Result
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

LOOK: Final = 0.25
"""Seconds between two looks at the counts, our own and those of all."""
AGAIN: Final = 1.0
TELL_EVERY: Final = 60.0
PROBE_EVERY: Final = 2.0
"""Seconds between two rounds of chat probes that count."""
IN_A_ROW: Final = 2
"""Rounds in a row without a front end that served chat, or without any to try, before
that counts: in the first round DNS may not have answered yet."""


class GuardWatch:
    """Guards the newest cutover of the table."""

    def __init__(self, store: Store, runtime: Runtime, state: ServiceState) -> None:
        self._store = store
        self._runtime = runtime
        self._state = state
        self.book = GuardBook(lambda: self.armed)
        self._unsaved: dict[str, int] = {}
        self._number = 0
        self._red: dict[str, int] = {}
        self._without: dict[str, int] = {}
        self._recent = Recent()
        self._next_try = self._told_at = float("-inf")

    @property
    def armed(self) -> Cutover | None:
        """The cutover that is guarded now."""
        cutover = self._runtime.core.router.table.cutover
        if cutover is None or cutover.guard is None:
            return None
        if is_guarded(cutover, clock.wall(), clock.uptime()):
            return cutover
        return None

    async def run(self, looks: bool) -> None:
        """Count until cancelled; with ``looks``, judge the sum and roll back as
        well."""
        while True:
            await asyncio.sleep(LOOK)
            armed = self.armed
            await self._save()
            if looks:
                await self._judge(armed)

    async def _save(self) -> None:
        """Add the new counts to the store; keep them while the store is away."""
        self.book.patience = self._runtime.core.settings.attempts.first_answer
        number, fresh = self.book.take()
        self.book.turn()
        if number != self._number:
            self._number, self._unsaved = number, {}
        for what, count in fresh.items():
            self._unsaved[what] = self._unsaved.get(what, 0) + count
        if not self._unsaved:
            return
        try:
            await self._store.add_guarded(self._number, self._unsaved)
        except StoreError as error:
            self._state.writes.failed(error)
        else:
            self._unsaved = {}

    async def _judge(self, armed: Cutover | None) -> None:
        if armed is None or armed.guard is None:
            self._settled()
            self._show_last()
            return
        try:
            counts = await self._store.guarded(armed.number)
        except StoreError as error:
            log.debug("store.unavailable", reason=str(error))
            return
        self._state.guard.show(armed, Tally.of(counts))
        now = clock.monotonic()
        self._recent.note(armed.number, counts, now)
        reason = self._recent.judge(counts, armed.guard, now)
        if reason:
            await self._roll_back(armed, reason)

    def _show_last(self) -> None:
        """Show, once nothing is guarded, whether the guard has rolled back."""
        self._state.guard.off(self._runtime.core.router.table.cutover)

    # -- rolling back ------------------------------------------------------------

    async def _roll_back(self, cutover: Cutover, reason: str) -> None:
        if clock.monotonic() < self._next_try:
            return
        try:
            undone = await roll_back_for(self._store, cutover.number, reason)
        except StoreError as error:
            self._failed(error)
            return
        self._settled()
        if undone is not None:
            log.error(
                "cutover.rolled_back",
                cutover=undone.number,
                endpoints=len(undone.switches),
                reason=undone.reason,
                again="waypost cutover apply --again",
            )

    def _failed(self, error: StoreError) -> None:
        steady = clock.monotonic()
        self._next_try = steady + AGAIN
        self._state.writes.failed(error)
        self._state.cutover_stands(
            f"the new pool fails and the cutover could not be rolled back: {error}",
            "guard",
        )
        if steady - self._told_at >= TELL_EVERY:
            self._told_at = steady
            log.error("cutover.not_rolled_back", reason=str(error))

    def _settled(self) -> None:
        self._state.cutover_stands("", "guard")
        self._next_try = self._told_at = float("-inf")

    # -- chat probes -------------------------------------------------------------

    def hurry(self) -> float:
        """Seconds between two rounds of chat probes that the guard wants; 0 for
        none."""
        armed = self.armed
        guard = None if armed is None else armed.guard
        return PROBE_EVERY if guard is not None and guard.probes else 0.0

    async def probed(self, found: Sequence[Result]) -> None:
        """A round of chat probes has ended; where probes count, each counts as a call.

        When no front end of a pool has served chat in two rounds in a row, roll back at
        once.
        """
        armed = self.armed
        if armed is None or armed.guard is None or not armed.guard.probes:
            self._red.clear()
            self._without.clear()
            return
        self.book.turn()
        for pool in self.book.pools:
            there = [each for each in found if each.pool == pool]
            self._count_round(pool, bool(there))
            for each in there:
                self.book.count_probe(each.step)
            is_red = bool(there) and not any(each.is_good for each in there)
            self._red[pool] = self._red.get(pool, 0) + 1 if is_red else 0
            if self._red[pool] >= IN_A_ROW:
                await self._roll_back(armed, _red_reason(pool, there))

    def _count_round(self, pool: str, is_tried: bool) -> None:
        self._without[pool] = 0 if is_tried else self._without.get(pool, 0) + 1
        if is_tried or self._without[pool] >= IN_A_ROW:
            self.book.count_round(pool, is_tried)


def _red_reason(pool: str, found: Sequence[Result]) -> str:
    """The reason for the rollback, with the step that failed."""
    last = found[-1]
    return (
        f"no front end of {pool} serves chat ({IN_A_ROW} rounds of chat probes in a "
        f"row): {last.front_end}: {last.step}: {last.reason}"
    )
