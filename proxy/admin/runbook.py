"""The migration weekend as a checklist that verifies what it can by itself.

The steps of docs/migration.md.  What only a person can know is ticked off; the rest is
looked at anew each time.  Ticks, and that a step held once, are kept in the store, so
the list survives a change of shift.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from proxy.admin.control import ControlError, Operator, refusals
from proxy.admin.doctor import Doctor, Step, worst
from proxy.config import Config
from proxy.endpoints.address import normalise_address, normalise_fqdn
from proxy.endpoints.model import Cutover, Pool
from proxy.endpoints.plan import Plan, parse_plan
from proxy.endpoints.table import EndpointTable

NOTE: Final = "runbook"
QUIET_DAYS: Final = 14
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


@dataclass(slots=True)
class _Memory:
    """What is kept in the store."""

    plan_name: str = ""
    plan_text: str = ""
    done: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the steps look at."""

    operator: Operator
    config: Config
    table: EndpointTable
    plan: Plan
    now: float

    @property
    def cutover(self) -> Cutover | None:
        """The newest cutover while it holds."""
        last = self.table.cutover
        return last if last and last.state in ("applied", "confirmed") else None

    @property
    def keys(self) -> list[str]:
        """The plan's addresses as ``user@host``."""
        return [normalise_address(c.sip_address)[1] for c in self.plan.changes]


Found = tuple[bool, str]
Look = Callable[[_Sight], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class _Step:
    """``look`` is None for what only a person knows; ``once``: it need not stay so."""

    name: str
    title: str
    command: str
    back: str
    look: Look | None = None
    once: bool = False


async def _pool_answers(sight: _Sight) -> Found:
    doctor = Doctor(sight.operator, sight.config)
    steps: list[Step] = []
    for fqdn in sorted({normalise_fqdn(c.pool_fqdn) for c in sight.plan.changes}):
        steps += [s async for s in doctor.pool(sight.table.pool(fqdn) or Pool(fqdn))]
    return _judged(steps)


def _judged(steps: Sequence[Step]) -> Found:
    bad = [step for step in steps if step.verdict == "failed"]
    if bad:
        return False, f"{bad[0].of} {bad[0].name}: {bad[0].text}"
    return bool(steps), f"{len(steps)} steps of the doctor, verdict {worst(steps)}"


async def _is_registered(sight: _Sight) -> Found:
    missing = [k for k in sight.keys if not await _sources(sight, k)]
    if missing:
        return False, f"nobody is registered as {', '.join(missing)}"
    sources = [s for k in sight.keys for s in await _sources(sight, k)]
    return True, f"registered from {', '.join(sources)}"


async def _sources(sight: _Sight, key: str) -> list[str]:
    return [b.source for b in await sight.operator.store.bindings(key, sight.now)]


async def _is_silent(sight: _Sight) -> Found:
    sources = [s for k in sight.keys for s in await _sources(sight, k)]
    if sources:
        return False, f"still registered from {', '.join(sources)}"
    return True, "nobody is registered for the addresses of the plan"


async def _is_applied(sight: _Sight) -> Found:
    last = sight.table.cutover
    if sight.cutover is None:
        state = f"cutover {last.number} is {last.state}" if last else "no cutover yet"
        return False, state
    return True, f"cutover {sight.cutover.number} by {sight.cutover.applied_by}"


async def _endpoints_are_well(sight: _Sight) -> Found:
    if not sight.table.endpoints:
        return False, "no endpoints yet"
    doctor = Doctor(sight.operator, sight.config)
    return _judged([step async for step in doctor.endpoints()])


async def _client_was_seen(sight: _Sight) -> Found:
    cutover = sight.cutover
    if cutover is None:
        return False, "no cutover yet"
    rows = [
        row
        for row in await sight.operator.store.usage()
        if row.endpoint_key in sight.keys
        and row.last_at >= cutover.applied_at
        and row.failed < row.count
    ]
    if not rows:
        return False, "no client has been served since the cutover"
    return True, f"the latest is {rows[0].aor}, of {len(rows)} so far"


async def _no_ghost(sight: _Sight) -> Found:
    cutover = sight.cutover
    if cutover is None:
        return False, "no cutover yet"
    ghosts = [
        each
        for each in await sight.operator.store.conflicts()
        if each.endpoint_key in sight.keys and each.last_at >= cutover.applied_at
    ]
    if ghosts:
        return False, f"the old service at {ghosts[0].source} still registers"
    return True, "no registration has been refused since the cutover"


async def _is_confirmed(sight: _Sight) -> Found:
    last = sight.table.cutover
    if last is None or last.state != "confirmed":
        return False, "not confirmed"
    return True, f"confirmed by {last.settled_by}"


async def _is_quiet(sight: _Sight) -> Found:
    since = sight.now - QUIET_DAYS * 86_400
    rows = [
        row
        for row in await sight.operator.store.usage()
        if row.endpoint_key in sight.keys and row.last_at >= since
    ]
    cutover = sight.cutover
    if cutover is None or cutover.applied_at > since:
        return False, f"{QUIET_DAYS} days have not passed"
    if rows:
        return False, f"{len(rows)} users in the last {QUIET_DAYS} days"
    return True, f"nobody for {QUIET_DAYS} days"


_ROLLBACK: Final = "waypost cutover rollback"
STEPS: Final = (
    _Step(
        "deploy",
        "The new pool is deployed and empty",
        "waypost runbook --done deploy",
        "nothing to take back",
    ),
    _Step(
        "pool",
        "The new pool answers",
        "waypost cutover plan FILE",
        "nothing to take back",
        _pool_answers,
    ),
    _Step(
        "old-way",
        "The old service is registered here, clients reach it",
        "waypost binding list",
        "point the clients' DNS back to the old servers",
        _is_registered,
        once=True,
    ),
    _Step(
        "backup",
        "All services are stopped, both databases are backed up",
        "waypost runbook --done backup",
        "start the services again",
    ),
    _Step(
        "data",
        "Rooms are exported and imported, files are copied",
        "waypost runbook --done data",
        "restore the new pool's database",
    ),
    _Step(
        "silence",
        "Nobody is registered as the well-known user any more",
        "waypost binding list",
        "start the old Lookup service again",
        _is_silent,
    ),
    _Step(
        "cutover",
        "The endpoints lead to the new pool",
        "waypost cutover apply FILE --confirm-within 30",
        _ROLLBACK,
        _is_applied,
    ),
    _Step(
        "doctor",
        "Every endpoint is well",
        "waypost doctor --journey",
        _ROLLBACK,
        _endpoints_are_well,
    ),
    _Step(
        "client",
        "The first real client was served",
        "waypost usage --watch",
        _ROLLBACK,
        _client_was_seen,
    ),
    _Step(
        "ghost",
        "The old service stays away",
        "waypost doctor",
        _ROLLBACK,
        _no_ghost,
    ),
    _Step(
        "confirm",
        "The cutover is confirmed",
        "waypost cutover confirm",
        _ROLLBACK,
        _is_confirmed,
    ),
    _Step(
        "retire",
        "Nobody dials the old addresses any more",
        "waypost usage",
        "waypost endpoint undo N",
        _is_quiet,
    ),
)
_NAMES: Final = [step.name for step in STEPS]


async def walk(
    operator: Operator, config: Config, plan: tuple[str, str] | None = None
) -> list[Item]:
    """Every step as it stands now; ``plan`` (name, text) is kept from then on.

    Raises ControlError without a plan.
    """
    memory = await _recall(operator)
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
    sight = _Sight(operator, config, table, parsed, now)
    items = []
    for number, step in enumerate(STEPS, 1):
        items.append(await _item(number, step, sight, memory))
    await operator.store.set_note(NOTE, _to_json(memory))
    return items


async def _item(number: int, step: _Step, sight: _Sight, memory: _Memory) -> Item:
    kept = memory.done.get(step.name)
    blank = Item(number, step.name, step.title, "open", "", step.command, step.back)
    if step.look is None:
        if kept is None:
            return replace(blank, text="only you can know")
        text = kept["note"] or "ticked off"
        return replace(blank, state="done", text=text, at=kept["at"], by=kept["by"])
    ok, text = await step.look(sight)
    if ok:
        if kept is None:
            kept = {"at": sight.now, "by": "verified", "note": text}
            memory.done[step.name] = kept
        return replace(blank, state="done", text=text, at=kept["at"], by=kept["by"])
    if kept is None:
        later = step.name == "retire"
        return replace(blank, state="later" if later else "open", text=text)
    if step.once or kept["by"] != "verified":
        text = kept["note"] or text
        return replace(blank, state="done", text=text, at=kept["at"], by=kept["by"])
    return replace(blank, state="failed", text=text, at=kept["at"], by=kept["by"])


async def tick(operator: Operator, name: str, note: str = "") -> str:
    """A person says that a step is done; its name.  Raises ControlError."""
    name = _known(name)
    memory = await _recall(operator)
    memory.done[name] = {
        "at": operator.clock(),
        "by": operator.actor.name,
        "note": note,
    }
    await operator.store.set_note(NOTE, _to_json(memory))
    return name


async def untick(operator: Operator, name: str) -> str:
    """A step is not done after all; its name.  Raises ControlError."""
    name = _known(name)
    memory = await _recall(operator)
    memory.done.pop(name, None)
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
