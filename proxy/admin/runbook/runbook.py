"""The migration weekend as a checklist that verifies what it can by itself.

The steps of docs/migration.md.  What only a person can know is ticked off; the rest is
looked at anew each time.  Ticks, and that a step held once, are kept in the store, so
the list survives a change of shift.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.facts import examine
from proxy.admin.runbook.memory import Memory, keep, recall
from proxy.admin.runbook.steps import Sight, StepToDo, way_back
from proxy.admin.runbook.weekend import STEPS
from proxy.config import Config
from proxy.endpoints.address import normalise_address, normalise_fqdn
from proxy.endpoints.model import Cutover
from proxy.endpoints.plan import Plan, parse_plan
from proxy.endpoints.usage import Usage
from proxy.facts.model import Facts, Finding

DAY: Final = 86_400.0
"""Seconds after which what was seen once may be otherwise."""
State = Literal["done", "warning", "unknown", "failed", "open", "later"]


@dataclass(frozen=True, slots=True)
class Item:
    """One step as it stands: ``command`` is what to type, ``back`` the way back.

    ``topic`` is the title of Microsoft's page about it, when there is one.
    """

    number: int
    name: str
    title: str
    state: State
    text: str
    command: str
    back: str
    at: float | None = None
    by: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What to hand over when the weekend is over.

    ``cutover`` is the newest one, ``users`` are the clients of the plan's addresses
    since it was applied, the latest first.
    """

    plan: str
    at: float
    items: list[Item]
    cutover: Cutover | None
    users: list[Usage]


_ONLY_YOU: Final = "only you can know"
_NAMES: Final = [step.name for step in STEPS]


async def walk(
    operator: Operator,
    config: Config,
    plan: tuple[str, str] | None = None,
    facts: Facts | None = None,
) -> list[Item]:
    """Every step as it stands now; ``plan`` (name, text) is kept from then on.

    ``facts`` is what Lync says, for this look.

    Raises ControlError without a plan.
    """
    memory = await recall(operator)
    before = memory.to_json()
    if plan is not None:
        memory.plan_name, memory.plan_text = plan
    if not memory.plan_text:
        raise ControlError(
            "the runbook needs the plan of the cutover once: waypost runbook --plan "
            "weekend.toml"
        )
    parsed = checked_plan(operator, memory.plan_text, memory.plan_name)
    await _look_who_is_here(operator, memory, parsed)
    now = operator.clock()
    table = await operator.store.load_table()
    judged = []
    if facts is not None:
        judged = await examine(operator, config, facts, parsed)
    sight = Sight(operator, config, table, parsed, now, judged)
    items = []
    for number, step in enumerate(STEPS, 1):
        items.append(await _item(number, step, sight, memory))
    kept = memory.to_json()
    if kept != before:  # a command that only reads needs no store that can be written
        await keep(operator, memory)
    return items


def checked_plan(operator: Operator, text: str, name: str) -> Plan:
    """A plan whose addresses and pools can be here at all; raises ControlError."""
    with refusals():
        parsed = parse_plan(text, name)
        for change in parsed.changes:
            normalise_address(change.sip_address, operator.rules.domains)
            normalise_fqdn(change.pool_fqdn)
    return parsed


async def findings(operator: Operator, config: Config, facts: Facts) -> list[Finding]:
    """What the facts say of the plan that is kept; raises ControlError."""
    memory = await recall(operator)
    plan = parse_plan(memory.plan_text, memory.plan_name)
    return await examine(operator, config, facts, plan)


async def _look_who_is_here(operator: Operator, memory: Memory, plan: Plan) -> None:
    """Remember which addresses were registered here: their service comes to us."""
    now = operator.clock()
    for change in plan.changes:
        key = normalise_address(change.sip_address)[1]
        if key not in memory.seen_here and await operator.store.bindings(key, now):
            memory.seen_here.append(key)


def summary(items: Iterable[Item]) -> dict[str, int]:
    """How many steps are in which state."""
    counts = dict.fromkeys(get_args(State), 0)
    for item in items:
        counts[item.state] += 1
    return counts


async def report(
    operator: Operator, config: Config, facts: Facts | None = None
) -> Report:
    """The runbook as it stands, with what became of it; raises ControlError."""
    items = await walk(operator, config, facts=facts)
    memory = await recall(operator)
    plan = parse_plan(memory.plan_text, memory.plan_name)
    cutover = (await operator.store.load_table()).cutover
    keys = {normalise_address(change.sip_address)[1] for change in plan.changes}
    users = [
        row
        for row in await operator.store.usage()
        if cutover and row.endpoint_key in keys and row.last_at >= cutover.applied_at
    ]
    return Report(plan.name, operator.clock(), items, cutover, users)


async def _item(number: int, step: StepToDo, sight: Sight, memory: Memory) -> Item:
    """One step: what can be seen of it, and what somebody has ticked off."""
    name, title, back = step.name, step.title, way_back(step, sight)
    blank = Item(number, name, title, "open", "", step.command, back, topic=step.topic)
    kept = memory.done.get(step.name)
    if step.look is None:
        return _unlooked(blank, step, kept)
    verdict, text = await step.look(sight)
    if verdict in ("ok", "warning"):
        if kept is None:
            kept = {"at": sight.now, "by": "verified", "note": text}
            memory.done[step.name] = kept
        return _held(blank, "done" if verdict == "ok" else "warning", text, kept)
    if kept is None:
        if verdict == "unknown":
            return replace(blank, state="unknown", text=text)
        return replace(blank, state="later" if step.later else "open", text=text)
    was_seen = kept["by"] == "verified"
    ticked = kept["note"] or "ticked off"
    if verdict == "unseen":
        is_old = was_seen and sight.now - kept["at"] > DAY
        return _held(blank, "warning" if is_old else "done", ticked, kept)
    # What somebody says counts where nothing can be seen, and not against what is.
    if step.once or (verdict != "failed" and not was_seen):
        return _held(blank, "done", kept["note"] or text, kept)
    if not was_seen:
        text = f"ticked off, but {text}"
    return _held(blank, "unknown" if verdict == "unknown" else "failed", text, kept)


def _unlooked(blank: Item, step: StepToDo, kept: dict[str, Any] | None) -> Item:
    """A step that only a person can know."""
    if kept is not None:
        return _held(blank, "done", kept["note"] or "ticked off", kept)
    text = f"not this weekend: {step.topic}" if step.later else _ONLY_YOU
    return replace(blank, state="later" if step.later else "open", text=text)


def _held(blank: Item, state: State, text: str, kept: dict[str, Any]) -> Item:
    """A step of which the memory knows who settled it, and when."""
    return replace(blank, state=state, text=text, at=kept["at"], by=kept["by"])


async def tick(
    operator: Operator, name: str, note: str = "", *, what_if: bool = False
) -> str:
    """A person says that a step is done; its name.  Raises ControlError."""
    name = _known(name)
    memory = await recall(operator)
    memory.done[name] = {
        "at": operator.clock(),
        "by": operator.actor.name,
        "note": note,
    }
    if not what_if:
        await keep(operator, memory)
    return name


async def untick(operator: Operator, name: str, *, what_if: bool = False) -> str:
    """A step is not done after all; its name.  Raises ControlError."""
    name = _known(name)
    memory = await recall(operator)
    memory.done.pop(name, None)
    if not what_if:
        await keep(operator, memory)
    return name


def _known(name: str) -> str:
    if name.isdecimal() and 0 < int(name) <= len(STEPS):
        return _NAMES[int(name) - 1]
    if name not in _NAMES:
        raise ControlError(
            f'the runbook has no step "{name}": name one of {", ".join(_NAMES)}'
        )
    return name
