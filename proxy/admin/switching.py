"""``cutover apply``: the doctor first, then everything in the plan at once."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from proxy.admin import cutover as verbs
from proxy.admin import facts as facts_verbs
from proxy.admin.control import Operator, Outcome
from proxy.admin.doctor.before_switch import (
    as_steps,
    examine_pools,
    look_at_plan,
    pools_of,
    refuse_when_failed,
)
from proxy.admin.doctor.probe_goals import judge_probe_goals
from proxy.admin.doctor.verdicts import Step
from proxy.admin.in_force import Keeper, rollback_keeper
from proxy.config import Config
from proxy.endpoints.cutover import WHOLE, Share
from proxy.endpoints.model import Guard
from proxy.endpoints.plan import Plan
from proxy.facts.model import Facts

DEFAULT_LEAST = 20
"""Calls that a guard waits for."""
DEFAULT_GUARD_SECONDS = 1800.0


def _unheard(step: Step) -> None:
    """Nobody listens while the doctor looks."""


Examined = Callable[[list[Step], Outcome], None]
"""Hears what the doctor has found and what would change, before anything does."""


@dataclass(frozen=True, slots=True)
class Order:
    """What ``cutover apply`` was asked for; ``confirm_within`` is in seconds."""

    plan: Plan
    share: Share = WHOLE
    guard: Guard | None = None
    guard_for: float = 0.0
    confirm_within: float | None = None
    force: bool = False
    facts: Facts | None = None

    @classmethod
    def again(cls, last: verbs.Again) -> "Order":
        """What was rolled back last, as it was applied."""
        return cls(last.plan, last.share, last.guard, last.guard_for)

    @property
    def promises(self) -> bool:
        """It may be rolled back by itself."""
        within = self.confirm_within, self.plan.confirm_within
        return self.guard is not None or any(each is not None for each in within)


@dataclass(frozen=True, slots=True)
class Switched:
    """What came of it; ``version`` is 0 when nothing was changed."""

    outcome: Outcome
    steps: list[Step]
    keeper: Keeper
    version: int = 0


async def look(
    operator: Operator, config: Config, order: Order
) -> tuple[Outcome, list[Step]]:
    """What a plan would change, and what can be said of it without its pools."""
    outcome = await verbs.apply(operator, order.plan, share=order.share, what_if=True)
    found = await facts_verbs.findings_of(operator, config, order.facts, order.plan)
    changes = outcome.changes
    return outcome, await look_at_plan(operator, config, order.plan, changes, found)


async def switch(
    operator: Operator,
    config: Config,
    order: Order,
    examined: Examined,
    *,
    what_if: bool = False,
    tell: Callable[[Step], None] | None = None,
) -> Switched:
    """Examine the new pools, then switch; raises ControlError.

    ``tell`` hears each step of the doctor when it is known, ``examined`` all of them.
    """
    tell = tell or _unheard
    plan, keeper = order.plan, Keeper()
    if order.promises and not what_if:
        keeper = await asyncio.to_thread(rollback_keeper, config, order.guard)
    # First whether it can be done at all: the doctor may take a while.
    outcome = await verbs.apply(operator, plan, share=order.share, what_if=True)
    if what_if or not outcome.changes:
        return Switched(outcome, [], keeper)
    findings = await facts_verbs.findings_of(operator, config, order.facts, plan)
    steps = as_steps(findings)
    for step in steps:
        tell(step)
    steps += await examine_pools(operator, config, pools_of(plan), tell)
    if order.guard is not None and order.guard.probes:
        table = await operator.store.load_table()
        goals = await judge_probe_goals(config, table, outcome.changes)
        for step in goals:
            tell(step)
        steps += goals
    examined(steps, outcome)
    forced = refuse_when_failed(steps, order.force)
    keeper.refuse_unless(order.force)
    outcome = await verbs.apply(
        operator,
        plan,
        share=order.share,
        confirm_within=order.confirm_within,
        guard=order.guard,
        guard_for=order.guard_for,
        forced=forced,
    )
    return Switched(outcome, steps, keeper, await operator.store.table_version())
