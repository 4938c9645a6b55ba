"""Writes administrative changes into the service's own log, for log pipelines: who
changed what, before and after.

It reads them from the history, wherever they were made: by the command, over HTTPS, on
another node, or by ourselves.  Every node logs each change, so that no line is lost
with a node; ``leads`` is true on only one of them (decision 143).  A change that was
made while no service ran is only in the history.
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
"""Rows that are logged one by one; when more come at once, the log has their number."""
_NAMES: Final = {
    "endpoint": ("endpoint.created", "endpoint.changed", "endpoint.removed"),
    "pool": ("pool.changed", "pool.changed", "pool.changed"),
    "drain": ("pool.drained", "pool.drained", "pool.undrained"),
}
"""By kind of row: the event when it was made, changed, or removed."""
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
"""Kinds of which the history says only that they were changed, without the rows."""


class ChangeLog:
    """Logs the rows of the history that are newer than the newest one at the start."""

    def __init__(
        self, store: Store, node: str = "", leads: Callable[[], bool] = lambda: True
    ) -> None:
        self._store = store
        self._node = node
        self._leads = leads
        self._mark: int | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Log the new rows; the first look only finds the newest one."""
        try:
            newest = await self._store.history(limit=1)
            number = newest[0].number if newest else 0
            if self._mark is None or number <= self._mark:
                self._mark = number
                return
            count = number - self._mark
            rows = await self._store.history(limit=min(count, MOST))
        except StoreError:
            return  # ``follow.py`` logs it
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
