"""The cutover's verbs: look, apply, confirm, roll back, and what time is left.

Like ``control``: functions over an ``Operator`` that return values and print nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.admin.comparison import Compared, compare_cutover
from proxy.admin.control import ControlError, Operator, Outcome, apply_change, refusals
from proxy.admin.files import read_whole
from proxy.admin.guarding import GuardView
from proxy.endpoints import cutover as rules
from proxy.endpoints.address import Refused, normalise_address
from proxy.endpoints.cutover import WHOLE, Order, Share, changed_since
from proxy.endpoints.model import Cutover, Guard, Uptime
from proxy.endpoints.plan import Plan, parse_pilots, parse_plan
from proxy.endpoints.plan import read_plan as parse_all
from proxy.store.actor import Actor
from proxy.store.interface import Store

AUTOMATIC = Actor("waypost", "automatic rollback")


@dataclass(frozen=True, slots=True)
class CutoverView:
    """The newest cutover; ``seconds_left`` until it is rolled back by itself.

    ``changed`` are addresses that somebody has changed after it; ``problem`` says why
    it could not be rolled back although it is overdue; ``guard`` what its guard has
    seen.
    """

    cutover: Cutover
    seconds_left: float | None
    changed: Sequence[str]
    problem: str = ""
    guard: GuardView | None = None
    compared: Sequence[Compared] = ()

    @property
    def is_guarded(self) -> bool:
        """It should be guarded at this moment; a service has to do it."""
        return self.guard is not None and self.guard.state == "armed"


def read_plan(path: Path) -> Plan:
    """A plan file; raises ControlError with every mistake in it."""
    with refusals():
        return parse_plan(plan_text(path), path.name)


def read_with_mistakes(path: Path) -> Plan:
    """A plan file with its mistakes; raises ControlError when it cannot be read.

    ``apply`` tells them together with those that only the table shows.
    """
    with refusals():
        return parse_all(plan_text(path), path.name)


def read_pilots(path: Path) -> frozenset[str]:
    """A pilot list; raises ControlError."""
    with refusals():
        return parse_pilots(plan_text(path), path.name)


def plan_text(path: Path) -> str:
    """A file that people write, in any encoding of Windows; raises ControlError."""
    # The service watches cutovers and reads no files: it does without the readers.
    from proxy.endpoints.exchange import decode

    try:
        return decode(read_whole(path))
    except OSError as error:
        raise ControlError(f"{path} cannot be read: {error.strerror}") from None


async def apply(
    operator: Operator,
    plan: Plan,
    *,
    share: Share = WHOLE,
    confirm_within: float | None = None,
    guard: Guard | None = None,
    guard_for: float = 0.0,
    forced: bool = False,
    what_if: bool = False,
) -> Outcome:
    """Switch every endpoint of a plan, all or none; ``confirm_within`` in seconds, as
    is ``guard_for``.

    The caller has asked the doctor before; ``forced`` says that it advised against.
    """
    now = operator.clock()
    if confirm_within is None and plan.confirm_within is not None:
        confirm_within = plan.confirm_within * 60
    bound = await _bound(operator, plan, now)
    order = Order(
        plan,
        operator.rules,
        _by(operator.actor),
        share,
        confirm_within,
        forced,
        bound,
        operator.uptime(),
        guard,
        guard_for,
    )
    with refusals():
        decide = rules.apply_cutover(order, now)
    verb = "cutover.apply --force" if forced else "cutover.apply"
    return await apply_change(operator, verb, decide, what_if)


async def _bound(operator: Operator, plan: Plan, now: float) -> dict[str, list[str]]:
    """Who is registered for the addresses of the plan."""
    found: dict[str, list[str]] = {}
    for binding in await operator.store.bindings(None, now):
        found.setdefault(binding.aor, []).append(binding.source)
    keys = set()
    for change in plan.changes:
        try:
            keys.add(normalise_address(change.sip_address)[1])
        except Refused:
            continue  # said when the plan is checked
    return {key: found[key] for key in keys & found.keys()}


async def confirm(operator: Operator, *, what_if: bool = False) -> Outcome:
    """Keep the newest cutover; no automatic rollback any more."""
    by, now = _by(operator.actor), operator.clock()
    decide = rules.confirm_cutover(by, now, operator.uptime())
    return await apply_change(operator, "cutover.confirm", decide, what_if)


async def roll_back(
    operator: Operator, *, what_if: bool = False, force: bool = False
) -> Outcome:
    """Restore the snapshot of the newest cutover.

    Refused while that would undo a later change; ``force`` goes on, and stands in the
    audit.
    """
    by, now = _by(operator.actor), operator.clock()
    decide = rules.roll_back_cutover(by, now, force or what_if)
    verb = "cutover.rollback --force" if force else "cutover.rollback"
    return await apply_change(operator, verb, decide, what_if)


async def status(operator: Operator) -> CutoverView | None:
    """The newest cutover; None when there never was one."""
    table = await operator.store.load_table()
    last = table.cutover
    if last is None:
        return None
    left = last.left(operator.clock(), operator.uptime())
    changed = [] if last.state == "rolled-back" else changed_since(last, table)
    counts = await operator.store.guarded(last.number) if last.guard else {}
    guard = GuardView.of(last, counts, operator.clock(), operator.uptime())
    compared = await compare_cutover(operator.store, last)
    return CutoverView(last, left, changed, operator.rollback_problem, guard, compared)


async def all_cutovers(operator: Operator, limit: int) -> list[Cutover]:
    """The newest first, each with its switches."""
    return (await operator.store.cutovers())[:limit]


@dataclass(frozen=True, slots=True)
class Again:
    """Another try of a cutover that was rolled back: its plan, its users, its guard."""

    plan: Plan
    share: Share
    guard: Guard | None
    guard_for: float


async def again(operator: Operator) -> Again:
    """What the newest cutover was applied with; raises ControlError."""
    last = (await operator.store.load_table()).cutover
    if last is None or last.state != "rolled-back":
        raise ControlError(
            "no cutover was rolled back last, so there is nothing to try again: name "
            "the plan"
        )
    if not last.plan_text:
        raise ControlError(f"the plan of cutover {last.number} was not kept: name it")
    canary = next((x.after.canary for x in last.switches if x.after.canary), None)
    share = WHOLE if canary is None else Share(canary.percent, canary.pilots)
    lasts = 0.0 if last.guard is None else last.guard.until - last.applied_at
    with refusals():
        return Again(parse_all(last.plan_text, last.plan), share, last.guard, lasts)


async def roll_back_overdue(store: Store, now: float, uptime: Uptime) -> Cutover | None:
    """Roll the newest cutover back when it was not confirmed in time.

    Called by a running server, and by every command before it does its own work, so
    that a promise to roll back holds when no server runs.  Returns what was undone.
    """
    last = (await store.load_table()).cutover
    if last is None or not last.is_overdue(now, uptime):
        return None
    # Checked again inside the transaction: another process may be quicker, or confirm.
    decide = rules.roll_back_overdue(_by(AUTOMATIC), now, uptime)
    changes = await store.change(AUTOMATIC, "cutover.rollback", decide, now)
    for change in changes:
        if isinstance(change.after, Cutover):
            return change.after
    return None


def _by(actor: Actor) -> str:
    return f"{actor.name} ({actor.origin})"
