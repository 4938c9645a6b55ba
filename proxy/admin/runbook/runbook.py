"""The migration weekend as a checklist that verifies what it can by itself.

The steps of docs/migration.md.  What only a person can know is ticked off; the rest is
looked at anew each time.  Ticks, and that a step held once, are kept in the store, so
the list survives a change of shift.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.runbook.steps import STEPS, Sight, StepToDo, way_back
from proxy.config import Config
from proxy.endpoints.address import normalise_address, normalise_fqdn
from proxy.endpoints.model import Cutover
from proxy.endpoints.plan import parse_plan
from proxy.endpoints.usage import Usage

NOTE: Final = "runbook"
State = Literal["done", "open", "failed", "later"]


@dataclass(frozen=True, slots=True)
class Item:
    """One step as it stands: ``command`` is what to type, ``back`` the way back."""

    number: int
    name: str
    title: str
    state: State
    text: str
    command: str
    back: str
    at: float | None = None
    by: str = ""


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


@dataclass(slots=True)
class _Memory:
    """What is kept in the store."""

    plan_name: str = ""
    plan_text: str = ""
    done: dict[str, dict[str, Any]] = field(default_factory=dict)


_NAMES: Final = [step.name for step in STEPS]


async def walk(
    operator: Operator, config: Config, plan: tuple[str, str] | None = None
) -> list[Item]:
    """Every step as it stands now; ``plan`` (name, text) is kept from then on.

    Raises ControlError without a plan.
    """
    memory = await _recall(operator)
    before = _to_json(memory)
    if plan is not None:
        memory.plan_name, memory.plan_text = plan
    if not memory.plan_text:
        raise ControlError(
            "the runbook needs the plan of the cutover once: waypost runbook --plan "
            "weekend.toml"
        )
    with refusals():
        parsed = parse_plan(memory.plan_text, memory.plan_name)
        for change in parsed.changes:
            normalise_address(change.sip_address, operator.rules.domains)
            normalise_fqdn(change.pool_fqdn)
    now = operator.clock()
    table = await operator.store.load_table()
    sight = Sight(operator, config, table, parsed, now)
    items = []
    for number, step in enumerate(STEPS, 1):
        items.append(await _item(number, step, sight, memory))
    kept = _to_json(memory)
    if kept != before:  # a command that only reads needs no store that can be written
        await operator.store.set_note(NOTE, kept)
    return items


async def report(operator: Operator, config: Config) -> Report:
    """The runbook as it stands, with what became of it; raises ControlError."""
    items = await walk(operator, config)
    memory = await _recall(operator)
    plan = parse_plan(memory.plan_text, memory.plan_name)
    cutover = (await operator.store.load_table()).cutover
    keys = {normalise_address(change.sip_address)[1] for change in plan.changes}
    users = [
        row
        for row in await operator.store.usage()
        if cutover and row.endpoint_key in keys and row.last_at >= cutover.applied_at
    ]
    return Report(plan.name, operator.clock(), items, cutover, users)


async def _item(number: int, step: StepToDo, sight: Sight, memory: _Memory) -> Item:
    kept = memory.done.get(step.name)
    back = way_back(step, sight)
    blank = Item(number, step.name, step.title, "open", "", step.command, back)
    if step.look is None:
        if kept is None:
            text = "not this weekend" if step.later else "only you can know"
            return replace(blank, state="later" if step.later else "open", text=text)
        text = kept["note"] or "ticked off"
        return replace(blank, state="done", text=text, at=kept["at"], by=kept["by"])
    ok, text = await step.look(sight)
    if ok:
        if kept is None:
            kept = {"at": sight.now, "by": "verified", "note": text}
            memory.done[step.name] = kept
        return replace(blank, state="done", text=text, at=kept["at"], by=kept["by"])
    if kept is None:
        return replace(blank, state="later" if step.later else "open", text=text)
    if step.once or kept["by"] != "verified":
        text = kept["note"] or text
        return replace(blank, state="done", text=text, at=kept["at"], by=kept["by"])
    return replace(blank, state="failed", text=text, at=kept["at"], by=kept["by"])


async def tick(
    operator: Operator, name: str, note: str = "", *, what_if: bool = False
) -> str:
    """A person says that a step is done; its name.  Raises ControlError."""
    name = _known(name)
    memory = await _recall(operator)
    memory.done[name] = {
        "at": operator.clock(),
        "by": operator.actor.name,
        "note": note,
    }
    if not what_if:
        await operator.store.set_note(NOTE, _to_json(memory))
    return name


async def untick(operator: Operator, name: str, *, what_if: bool = False) -> str:
    """A step is not done after all; its name.  Raises ControlError."""
    name = _known(name)
    memory = await _recall(operator)
    memory.done.pop(name, None)
    if not what_if:
        await operator.store.set_note(NOTE, _to_json(memory))
    return name


async def forget(operator: Operator) -> None:
    """Begin anew, for the next weekend."""
    await operator.store.set_note(NOTE, "")


def _known(name: str) -> str:
    if name.isdecimal() and 0 < int(name) <= len(STEPS):
        return _NAMES[int(name) - 1]
    if name not in _NAMES:
        raise ControlError(
            f'the runbook has no step "{name}": name one of {", ".join(_NAMES)}'
        )
    return name


async def _recall(operator: Operator) -> _Memory:
    body = await operator.store.note(NOTE)
    if not body:
        return _Memory()
    values = json.loads(body)
    return _Memory(values["plan_name"], values["plan_text"], values["done"])


def _to_json(memory: _Memory) -> str:
    return json.dumps(
        {
            "plan_name": memory.plan_name,
            "plan_text": memory.plan_text,
            "done": memory.done,
        }
    )
