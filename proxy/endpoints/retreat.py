"""What a guard puts back, and what it leaves alone.

A guard acts without asking, so it must not lose without a word what somebody has edited
since (decision 104).  It puts back what the cutover has changed of an endpoint, field
by field.  An endpoint that has been led elsewhere meanwhile stays there.  An endpoint
that the cutover has made is removed, even if its name was edited, because it leads to a
pool that fails.  The reason of the rollback names all of these.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import starmap
from typing import Final

from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.model import Endpoint, Switch
from proxy.endpoints.table import EndpointTable

_INSTANTS: Final = frozenset({"created_at", "changed_at"})
_ROUTING: Final = frozenset(
    {"pool_fqdn", "canary", "request_uri", "service_uris", "state"}
)
LEFT: Final = "led elsewhere since, and left so"
REMOVED: Final = "removed since, and not made again"
GONE: Final = "edited since, and removed all the same"
KEPT: Final = "edited since, and only led back"
NAMED: Final = 20
"""Addresses of a kind in a reason; all changes stand in the history."""


def roll_back_guarded(number: int, reason: str, by: str, now: float) -> Decide:
    """Put back what cutover ``number`` has switched; nothing if it does not stand."""

    def decide(table: EndpointTable) -> list[RowChange]:
        last = table.cutover
        if last is None or last.number != number or last.state != "applied":
            return []
        rows: list[RowChange] = []
        notes: dict[str, list[str]] = {}
        for each in last.switches:
            row, note = _put_back(each, table.endpoints.get(each.after.key), now)
            if row is not None:
                rows.append(row)
            if note:
                notes.setdefault(note, []).append(each.after.sip_address)
        settled = replace(
            last,
            state="rolled-back",
            settled_at=now,
            settled_by=by,
            confirm_by=None,
            reason="; ".join([reason, *starmap(_named, notes.items())]),
        )
        return [*rows, RowChange(last, settled)]

    return decide


def _put_back(
    switch: Switch, current: Endpoint | None, now: float
) -> tuple[RowChange | None, str]:
    """The change of one row, if there is one, and the remark about an edit."""
    before, after = switch.before, switch.after
    if current is None:
        return None, "" if before is None else REMOVED
    edited = _differing(after, current)
    if before is None:
        # The cutover made it.  Led elsewhere since, it is somebody's decision.
        if edited & _ROUTING:
            return None, LEFT
        return RowChange(current, None), GONE if edited else ""
    switched = _differing(before, after)
    if edited & switched:
        # Somebody has changed what the cutover changed; nothing need be said of it
        # where that has put the endpoint back already.
        return None, LEFT if _differing(before, current) else ""
    if not switched:
        return None, ""
    old = {name: getattr(before, name) for name in switched}
    restored = replace(current, changed_at=now, **old)
    return RowChange(current, restored), KEPT if edited else ""


def _differing(one: Endpoint, other: Endpoint) -> set[str]:
    """The fields in which two states of an endpoint differ."""
    return {
        each.name
        for each in fields(Endpoint)
        if each.name not in _INSTANTS
        and getattr(one, each.name) != getattr(other, each.name)
    }


def _named(note: str, addresses: Sequence[str]) -> str:
    shown = ", ".join(addresses[:NAMED])
    more = len(addresses) - NAMED
    return f"{note}: {shown}{f' and {more} more' if more > 0 else ''}"
