"""Administrative changes as lines of the service's own log, so that a log pipeline
sees them: who changed what, before and after.

Read from the history, wherever a change was made: by the command, over HTTPS, on
another node, by ourselves.  Every node says it once, so that no node's death loses a
line; ``leads`` is true on one of them alone.  What was changed while no service ran
is in the history alone.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from proxy.endpoints.codec import audit_json
from proxy.endpoints.model import Cutover, Endpoint
from proxy.store.audit_row import AuditRow
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

LOOK: Final = 0.5
"""Seconds between two looks at the newest row."""
MOST: Final = 1_000
"""Rows that are told one by one; of more at once the log has the number."""
_NAMES: Final = {
    "endpoint": ("endpoint.created", "endpoint.changed", "endpoint.removed"),
    "pool": ("pool.changed", "pool.changed", "pool.changed"),
    "drain": ("pool.drained", "pool.drained", "pool.undrained"),
}
"""By kind of row: the event when it is new, when it is another, when it is gone."""
_CUTOVER: Final = {
    "applied": "cutover.applied",
    "confirmed": "cutover.confirmed",
    "rolled-back": "cutover.undone",
    "replaced": "cutover.replaced",
}
_SKIPPED: Final = "history.skipped"
_RETIRED: Final = "endpoint.retired"
_OTHERS: Final = {
    "user": "user.changed",
    "binding": "binding.changed",
    "token": "token.changed",
    "person": "person.changed",
    "call": "call.shown",
    "usage": "usage.forgotten",
}
"""What the history keeps no rows of: only that it happened."""


class ChangeLog:
    """Tells what the history has after ``mark``, the newest row when it began."""

    def __init__(
        self, store: Store, node: str = "", leads: Callable[[], bool] = lambda: True
    ) -> None:
        self._store = store
        self._node = node
        self._leads = leads
        self._mark: int | None = None

    async def run(self) -> None:
        """For ever; while the store is away there is nothing to tell."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Tell what is new; the first look only finds out where the history is."""
        try:
            newest = await self._store.history(limit=1)
            number = newest[0].number if newest else 0
            if self._mark is None or number <= self._mark:
                self._mark = number
                return
            count = number - self._mark
            rows = await self._store.history(limit=min(count, MOST))
        except StoreError:
            return  # the follower tells that
        if count > MOST:
            log.warning(_SKIPPED, rows=count - MOST)
        for row in sorted(rows, key=lambda each: each.number):
            if row.number > self._mark:
                name = name_of(row)
                whose = {"node": self._node, "leads": self._leads()}
                log.info(name, **fields_of(row), **whose)
        self._mark = number


def name_of(row: AuditRow) -> str:
    """The event of one row."""
    if row.kind == "cutover" and isinstance(row.after, Cutover):
        return _CUTOVER[row.after.state]
    if row.kind in _NAMES:
        made, changed, gone = _NAMES[row.kind]
        if row.after is None:
            return gone
        if isinstance(row.after, Endpoint) and row.after.state == "retired":
            was = row.before.state if isinstance(row.before, Endpoint) else ""
            return _RETIRED if was != "retired" else changed
        return made if row.before is None else changed
    return _OTHERS.get(row.kind, "endpoint.changed")


def fields_of(row: AuditRow) -> dict[str, Any]:
    """Who did it, from where, with which verb; the row before and after."""
    return {
        "number": row.number,
        "table": row.version,
        "actor": row.actor.name,
        "origin": row.actor.origin,
        "verb": row.verb,
        "kind": row.kind,
        "key": row.key,
        "before": audit_json(row.before),
        "after": audit_json(row.after),
    }
