"""History and undo: what was changed, by whom, and how to take it back."""

from dataclasses import dataclass

from proxy.admin.control import ControlError, Operator, Outcome, apply_change, refusals
from proxy.admin.doctor.conflicts import still_registered
from proxy.endpoints.address import Refused
from proxy.endpoints.changes import RowChange, describe_changes, find_endpoint
from proxy.endpoints.model import Endpoint
from proxy.endpoints.undo import undo_batch as undo_batch_rule
from proxy.endpoints.undo import undo_change
from proxy.store.audit_row import AuditRow


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """An audit row and what it did, in words."""

    row: AuditRow
    text: str


async def history(
    operator: Operator, identity: str | None = None, limit: int = 100
) -> list[HistoryLine]:
    """The newest changes first: of one endpoint (also a removed one), pool or all."""
    key = None if identity is None else await _key(operator, identity)
    rows = await operator.store.history(key, limit)
    if not rows and key is not None:
        raise ControlError(
            f'nothing was ever changed about "{identity}"', kind="missing"
        )
    return [HistoryLine(row, _words(row)) for row in rows]


async def _key(operator: Operator, identity: str) -> str:
    table = await operator.store.load_table()
    try:
        return find_endpoint(table, identity).key
    except Refused:
        return identity.strip().lower().removeprefix("sip:")


def _words(row: AuditRow) -> str:
    if row.before is None and row.after is None:
        return row.verb
    first, *rest = describe_changes([RowChange(row.before, row.after)])
    verb = first.partition(" ")[0]
    if row.kind == "cutover":
        return first
    if row.before is None and isinstance(row.after, Endpoint):
        return f"create -> {row.after.pool_fqdn}"
    if row.after is None and isinstance(row.before, Endpoint):
        return f"remove (it led to {row.before.pool_fqdn})"
    return "; ".join(line.strip() for line in rest) or verb


async def undo_batch(
    operator: Operator, number: int, *, what_if: bool = False, force: bool = False
) -> Outcome:
    """Take back all that was changed together with one change, as one change.

    An import of many endpoints is one; ``number`` is that of any of its rows.
    """
    rows = await operator.store.audit_batch(number)
    if not rows:
        raise await _no_batch(operator, number)
    now = operator.clock()
    with refusals():
        decide = undo_batch_rule(
            number, [(row.number, row.before, row.after) for row in rows], now
        )
    verb = f"endpoint.undo --import {number}"
    back = {
        row.key for row in rows if isinstance(row.before, Endpoint) and not row.after
    }
    bindings = [
        each for each in await operator.store.bindings(None, now) if each.aor in back
    ]
    if bindings and not force:
        aor = bindings[0].aor
        of_it = [each for each in bindings if each.aor == aor]
        raise ControlError(still_registered(aor, of_it), kind="conflict")
    return await apply_change(
        operator, f"{verb} --force" if bindings else verb, decide, what_if
    )


async def _no_batch(operator: Operator, number: int) -> ControlError:
    """Why nothing can be taken back together with a change."""
    # A scope hides rows: whoever sees this one and gets no batch lacks its other rows.
    if await operator.store.audit_row(number) is not None:
        text = (
            f"not all that was changed with change {number} is yours: "
            f'"waypost endpoint undo {number}" takes this row alone back'
        )
    else:
        text = (
            f"there is no import {number}, nor any other change: "
            '"waypost endpoint history" lists them, an import as endpoint.import'
        )
    return ControlError(text, kind="missing")


async def undo(
    operator: Operator, number: int, *, what_if: bool = False, force: bool = False
) -> Outcome:
    """Take one change back; that is a change too.

    Refused when the row was changed again since, and, without ``force``, when it
    would bring an endpoint back while somebody is registered for its address.
    """
    row = await operator.store.audit_row(number)
    if row is None:
        raise ControlError(
            f'there is no change {number}: "waypost endpoint history" numbers them',
            kind="missing",
        )
    now = operator.clock()
    with refusals():
        decide = undo_change(number, row.before, row.after, now)
    verb = f"endpoint.undo {number}"
    if isinstance(row.before, Endpoint) and row.after is None:
        bindings = await operator.store.bindings(row.key, now)
        if bindings and not force:
            raise ControlError(still_registered(row.key, bindings), kind="conflict")
        verb += " --force" if bindings else ""
    return await apply_change(operator, verb, decide, what_if)
