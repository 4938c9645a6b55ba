"""The cutover: many endpoints switched to new pools in one change, and back in one.

A plan says which endpoint shall lead where, and what must be true before.  Applying it
makes one list of row changes with a numbered Cutover among them, whose switches are the
snapshot; so the store writes all of it in one transaction, and a proxy swaps it in one
assignment.  Pure: ``plan.py`` reads plan files, and the store makes the changes.

A canary is a cutover of some users.  To widen it is another cutover, which takes over
the snapshot of the first one, so that one rollback always leads back to the beginning
(decision 44).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import Decide, RowChange, Rules
from proxy.endpoints.mistakes import check_changes, in_order, placed
from proxy.endpoints.model import (
    NO_UPTIME,
    Canary,
    Cutover,
    CutoverState,
    Endpoint,
    Guard,
    Switch,
    Uptime,
)
from proxy.endpoints.plan import Plan, PlannedChange
from proxy.endpoints.table import EndpointTable


@dataclass(frozen=True, slots=True)
class Share:
    """Which users are switched: 100 percent are all, and no canary."""

    percent: int = 100
    pilots: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether these are all users."""
        return self.percent >= 100

    def __str__(self) -> str:
        if self.is_whole:
            return ""
        count = len(self.pilots)
        pilots = f"{count} pilot{'s' * (count > 1)}" if count else ""
        percent = f"{self.percent} %" if self.percent or not pilots else ""
        return " and ".join(filter(None, (percent, pilots)))


WHOLE: Final = Share()


@dataclass(frozen=True, slots=True)
class Order:
    """An apply as it was ordered.

    ``bound`` says who is registered for an address (``user@host`` → sources), from
    the registrar.  ``confirm_within`` arms the automatic rollback, in seconds from now;
    it is counted from ``uptime`` as well, a clock that nobody can set (decision 45).
    ``guard`` is armed for ``guard_for`` seconds.
    """

    plan: Plan
    rules: Rules
    by: str
    share: Share = WHOLE
    confirm_within: float | None = None
    forced: bool = False
    bound: Mapping[str, Sequence[str]] = field(default_factory=dict)
    uptime: Uptime = NO_UPTIME
    guard: Guard | None = None
    guard_for: float = 0.0

    def armed_guard(self, now: float) -> Guard | None:
        """The guard with the instant at which it ends; None without a guard."""
        if self.guard is None:
            return None
        machine, seconds = self.uptime
        return replace(
            self.guard,
            until=now + self.guard_for,
            machine=machine,
            uptime_by=seconds + self.guard_for,
        )


def apply_cutover(order: Order, now: float) -> Decide:
    """Switch every endpoint of a plan; Refused names everything that stands against."""
    planned, mistakes = check_changes(order.plan, order.rules)

    def decide(table: EndpointTable) -> list[RowChange]:
        last = table.cutover
        if last is not None and last.is_overdue(now, order.uptime):
            text = f"cutover {last.number} is overdue and about to be undone"
            raise Refused(text, "conflict")
        rows, problems = [], [*mistakes]
        for change, address, fields in planned:
            wrong = list(_obstacles(table, change, address, order))
            problems += [
                placed(order.plan, change.line_of(key), text) for key, text in wrong
            ]
            if not wrong:
                rows.append(_switched(table, address, fields, order, now))
        if problems:
            raise Refused("\n".join(in_order(problems, order.plan.file)))
        changed = [row for row in rows if row.before != row.after]
        if not changed:
            return []
        return [*changed, *_numbered(last, changed, order, now)]

    return decide


def _switched(
    table: EndpointTable,
    address: tuple[str, str],
    fields: dict[str, object],
    order: Order,
    now: float,
) -> RowChange:
    """One planned change as a row change; one without effect when it is so already."""
    written, key = address
    before = table.endpoints.get(key)
    if before is None:
        blank = Endpoint(written, key, "", created_at=now, changed_at=now)
        return RowChange(None, replace(blank, **fields))  # type: ignore[arg-type]
    if order.share.is_whole:
        after = replace(before, **fields, canary=None)  # type: ignore[arg-type]
    else:
        pool = str(fields["pool_fqdn"])
        canary = Canary(pool, order.share.percent, order.share.pilots)
        after = replace(before, canary=None if pool == before.pool_fqdn else canary)
    return RowChange(
        before, replace(after, changed_at=now) if after != before else after
    )


def _obstacles(
    table: EndpointTable, change: PlannedChange, address: tuple[str, str], order: Order
) -> Iterator[tuple[str, str]]:
    """Conditions of a change that do not hold: for each the key of the plan that states
    it, and a sentence."""
    written, key = address
    before, bound = table.endpoints.get(key), order.bound.get(key, ())
    if before is None and not change.create:
        yield (
            "sip_address",
            f"{written} does not exist: write create = true in its [[change]], or "
            "correct the address",
        )
    elif before is None and not order.share.is_whole:
        yield (
            "",
            f"{written} does not exist yet, so a part of its users cannot be "
            "switched: leave --percent and --pilots out",
        )
    found = before.pool_fqdn if before else ""
    if change.expect_pool is not None and found != change.expect_pool:
        yield (
            "expect_pool",
            f"{written} should lead to {change.expect_pool or 'no pool'} before "
            f"the cutover but leads to {found or 'none'}: correct expect_pool, "
            "or find out who changed it (waypost endpoint history)",
        )
    if before is not None and before.state == "retired":
        yield "sip_address", f"{written} is retired: it answers 410, wherever it leads"
    if bound and change.no_live_binding:
        yield (
            "no_live_binding",
            f"{written} is still registered from {', '.join(bound)}: stop the old "
            "Lookup service first, or write no_live_binding = false",
        )


def _numbered(
    last: Cutover | None, changed: Sequence[RowChange], order: Order, now: float
) -> list[RowChange]:
    """The cutover's own row, and the row of the canary that it replaces."""
    switches = [_as_switch(row) for row in changed]
    rows: list[RowChange] = []
    within = order.confirm_within
    confirm_by = None if within is None else now + within
    guard = order.armed_guard(now)
    machine, uptime_by = order.uptime[0], order.uptime[1] + (within or 0.0)
    if last is not None and last.state == "applied":
        if _is_widened(last, switches):
            origin = {each.after.key: each for each in last.switches}
            switches = [_from_origin(each, origin) for each in switches]
            named = {each.after.key for each in switches}
            switches += [each for each in last.switches if each.after.key not in named]
            rows.append(RowChange(last, _settled(last, "replaced", order.by, now)))
            # What the canary has armed stays armed, unless the order says otherwise.
            if confirm_by is None:
                confirm_by = last.confirm_by
                machine, uptime_by = last.machine, last.uptime_by
            guard = guard or last.guard
        elif last.confirm_by is not None:
            raise Refused(
                f"cutover {last.number} still waits for its confirmation: write "
                '"waypost cutover confirm" or "waypost cutover rollback" first',
                "conflict",
            )
    new = Cutover(
        1 if last is None else last.number + 1,
        "applied",
        order.plan.name,
        now,
        order.by,
        confirm_by,
        str(order.share),
        order.forced,
        switches=tuple(switches),
        machine=machine if confirm_by is not None else "",
        uptime_by=uptime_by if confirm_by is not None else 0.0,
        guard=guard,
        plan_text=order.plan.text,
    )
    return [*rows, RowChange(None, new)]


def _as_switch(row: RowChange) -> Switch:
    assert not isinstance(row.before, Cutover) and isinstance(row.after, Endpoint)
    assert row.before is None or isinstance(row.before, Endpoint)
    return Switch(row.before, row.after)


def _is_widened(last: Cutover, switches: Sequence[Switch]) -> bool:
    """Whether the last cutover was a canary, and these go on from where it stands."""
    canaries = {each.after.key: each.after for each in last.switches}
    return bool(last.share) and any(
        canaries.get(each.after.key) == each.before for each in switches
    )


def _from_origin(switch: Switch, origin: Mapping[str, Switch]) -> Switch:
    """A switch with the state from before the canary, to which a rollback leads."""
    first = origin.get(switch.after.key)
    return switch if first is None else Switch(first.before, switch.after)


def confirm_cutover(by: str, now: float, uptime: Uptime = NO_UPTIME) -> Decide:
    """Keep what was switched: the automatic rollback is disarmed."""

    def decide(table: EndpointTable) -> list[RowChange]:
        last = _last(table)
        if last.state != "applied":
            raise Refused(_settled_already(last), "conflict")
        if last.is_overdue(now, uptime):
            raise Refused(
                f"too late: cutover {last.number} had to be confirmed by "
                f"{_instant(last.confirm_by or 0)} and is being rolled back",
                "conflict",
            )
        return [RowChange(last, _settled(last, "confirmed", by, now))]

    return decide


def roll_back_cutover(by: str, now: float, force: bool = False) -> Decide:
    """Restore the snapshot of the newest cutover, confirmed or not.

    Without ``force`` it undoes no later change.
    """

    def decide(table: EndpointTable) -> list[RowChange]:
        last = _last(table)
        if last.state == "rolled-back":
            raise Refused(_settled_already(last), "conflict")
        lost = overwritten(last, table)
        if lost and not force:
            raise Refused(
                f"changed since cutover {last.number}, and a rollback would undo that, "
                f'too: {", ".join(lost)}; see "waypost endpoint history", then say '
                '--force, or put the others back with "waypost endpoint set"',
                "conflict",
            )
        return _restored(table, last, by, now)

    return decide


def overwritten(cutover: Cutover, table: EndpointTable) -> list[str]:
    """Addresses whose later change a rollback would undo."""
    found = []
    for each in cutover.switches:
        current = table.endpoints.get(each.after.key)
        if current == each.after or _is_as_before(current, each.before):
            continue
        found.append(each.after.sip_address)
    return found


def _is_as_before(current: Endpoint | None, before: Endpoint | None) -> bool:
    """Whether somebody has put the row back by hand."""
    if current is None or before is None:
        return current is before
    return replace(current, changed_at=before.changed_at) == before


def roll_back_overdue(by: str, now: float, uptime: Uptime = NO_UPTIME) -> Decide:
    """The automatic rollback: nothing unless the newest cutover is overdue."""

    def decide(table: EndpointTable) -> list[RowChange]:
        last = table.cutover
        if last is None or not last.is_overdue(now, uptime):
            return []
        return _restored(table, last, by, now)

    return decide


def changed_since(cutover: Cutover, table: EndpointTable) -> list[str]:
    """Addresses of its endpoints that somebody has changed after it."""
    return [
        each.after.sip_address
        for each in cutover.switches
        if table.endpoints.get(each.after.key) != each.after
    ]


def _restored(
    table: EndpointTable, last: Cutover, by: str, now: float
) -> list[RowChange]:
    rows = []
    for each in last.switches:
        current = table.endpoints.get(each.after.key)
        if each.before is None:
            if current is not None:
                rows.append(RowChange(current, None))
        elif (
            current is None
            or replace(current, changed_at=each.before.changed_at) != each.before
        ):
            rows.append(RowChange(current, replace(each.before, changed_at=now)))
    return [*rows, RowChange(last, _settled(last, "rolled-back", by, now))]


def _settled(cutover: Cutover, state: CutoverState, by: str, now: float) -> Cutover:
    return replace(cutover, state=state, settled_at=now, settled_by=by, confirm_by=None)


def _last(table: EndpointTable) -> Cutover:
    if table.cutover is None:
        text = 'there is no cutover: "waypost cutover apply FILE" makes one'
        raise Refused(text, "missing")
    return table.cutover


def _settled_already(cutover: Cutover) -> str:
    return (
        f"cutover {cutover.number} was {cutover.state.replace('-', ' ')} already, by "
        f"{cutover.settled_by} at {_instant(cutover.settled_at)}"
    )


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
