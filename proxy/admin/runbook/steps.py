"""The steps of the migration weekend, and how each is verified.

The order is that of Microsoft's documented migration, with one difference: the new
pool's services are started before the address is switched, because no client can reach
them before, and the switch wants to see them answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.admin.control import Operator
from proxy.admin.doctor.doctor import RECENT_CONFLICT, Doctor, Step, worst
from proxy.config import Config
from proxy.endpoints.address import normalise_address, normalise_fqdn
from proxy.endpoints.cutover import overwritten
from proxy.endpoints.model import Cutover, Pool
from proxy.endpoints.plan import Plan
from proxy.endpoints.table import EndpointTable

QUIET_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Sight:
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
Look = Callable[[Sight], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class StepToDo:
    """``look`` is None for a fact that only a person knows; ``once``: it need not stay
    so; ``later``: the weekend does not wait for it.
    """

    name: str
    title: str
    command: str
    back: str
    look: Look | None = None
    once: bool = False
    later: bool = False


async def _pool_answers(sight: Sight) -> Found:
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


async def _is_registered(sight: Sight) -> Found:
    missing = [k for k in sight.keys if not await _sources(sight, k)]
    if missing:
        return False, f"nobody is registered as {', '.join(missing)}"
    sources = [s for k in sight.keys for s in await _sources(sight, k)]
    return True, f"registered from {', '.join(sources)}"


async def _sources(sight: Sight, key: str) -> list[str]:
    return [b.source for b in await sight.operator.store.bindings(key, sight.now)]


async def _is_silent(sight: Sight) -> Found:
    sources = [s for k in sight.keys for s in await _sources(sight, k)]
    if sources:
        return False, f"still registered from {', '.join(sources)}"
    return True, "nobody is registered for the addresses of the plan"


async def _is_applied(sight: Sight) -> Found:
    last = sight.table.cutover
    if sight.cutover is None:
        state = f"cutover {last.number} is {last.state}" if last else "no cutover yet"
        return False, state
    return True, f"cutover {sight.cutover.number} by {sight.cutover.applied_by}"


async def _endpoints_are_well(sight: Sight) -> Found:
    if not sight.table.endpoints:
        return False, "no endpoints yet"
    doctor = Doctor(sight.operator, sight.config)
    return _judged([step async for step in doctor.endpoints()])


async def _client_was_seen(sight: Sight) -> Found:
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


async def _no_ghost(sight: Sight) -> Found:
    cutover = sight.cutover
    if cutover is None:
        return False, "no cutover yet"
    ghosts = [
        each
        for each in await sight.operator.store.conflicts()
        if each.endpoint_key in sight.keys and each.last_at >= cutover.applied_at
    ]
    if not ghosts:
        return True, "no registration has been refused since the cutover"
    last = ghosts[0]
    if sight.now - last.last_at < RECENT_CONFLICT:
        return False, f"the old service at {last.source} still registers"
    return True, f"the old service at {last.source} has been silent for an hour or more"


async def _is_confirmed(sight: Sight) -> Found:
    last = sight.table.cutover
    if last is None or last.state != "confirmed":
        return False, "not confirmed"
    return True, f"confirmed by {last.settled_by}"


async def _is_quiet(sight: Sight) -> Found:
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


def way_back(step: StepToDo, sight: Sight) -> str:
    """How to take a step back, as things stand."""
    last = sight.table.cutover
    if step.back != _ROLLBACK:
        return step.back
    if last is None:
        return "nothing to take back: nothing has been switched"
    if last.state == "rolled-back":
        return f"nothing to take back: cutover {last.number} is rolled back"
    lost = overwritten(last, sight.table)
    if lost:
        return f"{_ROLLBACK} --force (undoes later changes of {', '.join(lost)}, too)"
    return _ROLLBACK


STEPS: Final = (
    StepToDo(
        "deploy",
        "The new pool is deployed and empty",
        "waypost runbook --done deploy",
        "nothing to take back",
    ),
    StepToDo(
        "tidy",
        "The old rooms are tidied up: categories, names, managers",
        "waypost runbook --done tidy",
        "nothing to take back",
    ),
    StepToDo(
        "pool",
        "The new pool answers",
        "waypost doctor --plan FILE",
        "nothing to take back",
        _pool_answers,
        once=True,
    ),
    StepToDo(
        "old-way",
        "The old service is registered here, clients reach it",
        "waypost binding list",
        "point the clients' DNS back to the old servers",
        _is_registered,
        once=True,
    ),
    StepToDo(
        "backup",
        "All services are stopped, both databases are backed up",
        "waypost runbook --done backup",
        "start the services again",
    ),
    StepToDo(
        "data",
        "Rooms are exported and imported, files are copied",
        "waypost runbook --done data",
        "restore the new pool's database",
    ),
    StepToDo(
        "account",
        "The well-known user is deleted from Active Directory",
        "waypost runbook --done account",
        "create the user again and enable it for SIP",
    ),
    StepToDo(
        "silence",
        "Nobody is registered as the well-known user any more",
        "waypost binding list",
        "start the old Lookup service again",
        _is_silent,
    ),
    StepToDo(
        "start",
        "The services of the new pool run again",
        "waypost doctor --plan FILE --journey",
        "stop them again",
        _pool_answers,
    ),
    StepToDo(
        "cutover",
        "The endpoints lead to the new pool",
        'waypost cutover apply FILE --guard "5 %" --probe --confirm-within 30',
        _ROLLBACK,
        _is_applied,
    ),
    StepToDo(
        "doctor",
        "Every endpoint is well",
        "waypost doctor --journey",
        _ROLLBACK,
        _endpoints_are_well,
    ),
    StepToDo(
        "client",
        "The first real client was served",
        "waypost usage --watch",
        _ROLLBACK,
        _client_was_seen,
    ),
    StepToDo(
        "ghost",
        "The old service stays away",
        "waypost doctor",
        _ROLLBACK,
        _no_ghost,
    ),
    StepToDo(
        "confirm",
        "The cutover is confirmed",
        "waypost cutover confirm",
        _ROLLBACK,
        _is_confirmed,
    ),
    StepToDo(
        "legacy",
        "The old servers and their trusted application are removed",
        "waypost runbook --done legacy",
        "restore them from their backup",
        later=True,
    ),
    StepToDo(
        "retire",
        "Nobody dials the old addresses any more",
        "waypost usage",
        "waypost endpoint undo N",
        _is_quiet,
        later=True,
    ),
)
