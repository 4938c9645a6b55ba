"""How each step of the migration weekend is verified, and taken back."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from proxy.admin.control import Operator
from proxy.admin.doctor.doctor import Doctor
from proxy.admin.doctor.old_user import RECENT_CONFLICT, OldUsers
from proxy.admin.doctor.serving import service_step
from proxy.admin.doctor.verdicts import Step, worst
from proxy.config import Config
from proxy.endpoints.address import normalise_address, normalise_fqdn
from proxy.endpoints.cutover import overwritten
from proxy.endpoints.model import Cutover, Pool
from proxy.endpoints.plan import Plan
from proxy.endpoints.table import EndpointTable
from proxy.facts.account import NAME as ACCOUNT
from proxy.facts.account import OLD
from proxy.facts.chat_pool import POOL
from proxy.facts.check import AGE
from proxy.facts.model import Finding, Verdict

QUIET_DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Sight:
    """What the steps look at."""

    operator: Operator
    config: Config
    table: EndpointTable
    plan: Plan
    now: float
    findings: Sequence[Finding] = ()

    @property
    def cutover(self) -> Cutover | None:
        """The newest cutover while it holds."""
        last = self.table.cutover
        return last if last and last.state in ("applied", "confirmed") else None

    @property
    def keys(self) -> list[str]:
        """The plan's addresses as ``user@host``."""
        return [normalise_address(c.sip_address)[1] for c in self.plan.changes]


Found = tuple[Literal[Verdict, "open", "unseen"], str]
"""``open``: it has not happened yet, which is no fault.  ``unseen``: there is nothing
to look at this time, so what was found or ticked off before stands."""
Look = Callable[[Sight], Awaitable[Found]]


@dataclass(frozen=True, slots=True)
class StepToDo:
    """``look`` is None for a fact that only a person knows; ``once``: it need not stay
    so; ``later``: the weekend does not wait for it; ``topic`` is the title of
    Microsoft's page about it, empty where the step is ours alone.
    """

    name: str
    title: str
    command: str
    back: str
    look: Look | None = None
    once: bool = False
    later: bool = False
    topic: str = ""


async def account_is_gone(sight: Sight) -> Found:
    """Lync alone knows: rule (a) of its facts for every address of the plan."""
    if not sight.findings:
        return "unseen", "only you can know, or Lync: --facts FILE looks there"
    found = [each for each in sight.findings if each.name == ACCOUNT]
    mine = [each for each in found if each.of.removeprefix("sip:") in sight.keys]
    return _by_facts(sight, mine, "no user account of Lync has the address")


def _by_facts(sight: Sight, mine: Sequence[Finding], good: str) -> Found:
    """The worst of some findings; what is old is amber."""
    age = next(each for each in sight.findings if each.name == AGE)
    verdict = worst(mine)
    if verdict == "ok" and age.verdict != "ok":
        return "warning", f"{good}, but {age.text}"
    if verdict == "ok":
        return "ok", good
    bad = next(each for each in mine if each.verdict == verdict)
    return verdict, f"{bad.of}: {bad.text}"


async def pool_answers(sight: Sight) -> Found:
    doctor = Doctor(sight.operator, sight.config)
    steps: list[Step] = []
    for fqdn in sorted({normalise_fqdn(c.pool_fqdn) for c in sight.plan.changes}):
        steps += [s async for s in doctor.pool(sight.table.pool(fqdn) or Pool(fqdn))]
    of_pools = [x for x in sight.findings if x.name == POOL]
    steps += [Step(x.of, x.name, x.verdict, x.text, x.fix) for x in of_pools]
    return _judged(steps)


def _judged(steps: Sequence[Step]) -> Found:
    verdict = worst(steps)
    if verdict != "ok":
        bad = next(step for step in steps if step.verdict == verdict)
        return verdict, f"{bad.of} {bad.name}: {bad.text}"
    return verdict, f"{len(steps)} steps of the doctor, verdict {verdict}"


async def is_registered(sight: Sight) -> Found:
    missing = [k for k in sight.keys if not await _sources(sight, k)]
    if missing and not sight.config.registrar.enabled:
        return "unknown", (
            "the registrar is off: whether clients reach the old service cannot be "
            "seen here; tick it off when one has"
        )
    if missing:
        return "open", f"nobody is registered as {', '.join(missing)}"
    sources = [s for k in sight.keys for s in await _sources(sight, k)]
    return "ok", f"registered from {', '.join(sources)}"


async def _sources(sight: Sight, key: str) -> list[str]:
    return [b.source for b in await sight.operator.store.bindings(key, sight.now)]


async def is_silent(sight: Sight) -> Found:
    sources = [s for k in sight.keys for s in await _sources(sight, k)]
    if sources:
        return "failed", f"still registered from {', '.join(sources)}"
    return await _silence(sight, "nobody is registered for the addresses of the plan")


async def _silence(sight: Sight, good: str) -> Found:
    """What it says that nothing was seen of the old users here."""
    old_users = OldUsers(sight.operator, sight.config, sight.findings)
    running = [x for x in sight.findings if (x.name, x.verdict) == (OLD, "failed")]
    if running:
        return "failed", f"{running[0].of}: {running[0].text}"
    worst_first: tuple[Verdict, ...] = ("failed", "unknown", "warning")
    said = [(key, *await old_users.silence(key)) for key in sight.keys]
    for verdict in worst_first:
        for key, found, text, _ in said:
            if found == verdict:
                return verdict, f"{key}: {text}"
    if not sight.config.registrar.enabled:
        return "ok", f"{said[0][0]}: {said[0][2]}" if said else good
    return "ok", good


async def leads_there(sight: Sight) -> Found:
    """Every address of the plan leads to its pool, and the service routes so."""
    last = sight.table.cutover
    if sight.cutover is None:
        if last is None:
            return "open", "no cutover yet"
        return "failed", f"cutover {last.number} is {last.state}"
    for change, key in zip(sight.plan.changes, sight.keys, strict=True):
        endpoint = sight.table.endpoints.get(key)
        if endpoint is None:
            return "failed", f"sip:{key} is no endpoint"
        if endpoint.canary is not None:
            pool, share = endpoint.canary.pool_fqdn, endpoint.canary.percent
            return "failed", f"sip:{key}: {share} % of its users go to {pool}"
        if endpoint.pool_fqdn != normalise_fqdn(change.pool_fqdn):
            return "failed", f"sip:{key} leads to {endpoint.pool_fqdn}"
    by = f"cutover {sight.cutover.number} by {sight.cutover.applied_by}"
    service = service_step(sight.config, sight.table.version)
    if service.verdict in ("failed", "unknown"):
        return service.verdict, f"{by}, but of the service: {service.text}"
    return service.verdict, by


async def endpoints_are_well(sight: Sight) -> Found:
    if not sight.table.endpoints:
        return "open", "no endpoints yet"
    doctor = Doctor(sight.operator, sight.config, sight.findings)
    first = service_step(sight.config, sight.table.version)
    found = [Step(x.of, x.name, x.verdict, x.text, x.fix) for x in sight.findings]
    return _judged([first, *found, *[step async for step in doctor.endpoints()]])


async def client_was_seen(sight: Sight) -> Found:
    cutover = sight.cutover
    if cutover is None:
        return "open", "no cutover yet"
    rows = [
        row
        for row in await sight.operator.store.usage()
        if row.endpoint_key in sight.keys and row.last_at >= cutover.applied_at
    ]
    # The counts of a row may be of both times: only who is new, or never failed, was
    # certainly served after the switch.
    served = [
        row
        for row in rows
        if row.failed == 0
        or (row.first_at >= cutover.applied_at and row.failed < row.count)
    ]
    if served:
        return "ok", f"the latest is {served[0].aor}, of {len(rows)} so far"
    mixed = [row for row in rows if row.failed < row.count]
    if mixed:
        return "unknown", (
            f"{mixed[0].aor} has called since, and some of its calls have failed: "
            "whether the last one did cannot be told"
        )
    return "open", "no client has been served since the cutover"


async def no_ghost(sight: Sight) -> Found:
    cutover = sight.cutover
    if cutover is None:
        return "open", "no cutover yet"
    ghosts = [
        each
        for each in await sight.operator.store.conflicts()
        if each.endpoint_key in sight.keys and each.last_at >= cutover.applied_at
    ]
    if not ghosts:
        good = "no registration has been refused since the cutover"
        return await _silence(sight, good)
    last = ghosts[0]
    if sight.now - last.last_at < RECENT_CONFLICT:
        return "failed", f"the old service at {last.source} still registers"
    text = f"the old service at {last.source} has been silent for an hour or more"
    return "ok", text


async def is_confirmed(sight: Sight) -> Found:
    last = sight.table.cutover
    if last is None or last.state != "confirmed":
        return "open", "not confirmed"
    return "ok", f"confirmed by {last.settled_by}"


async def is_quiet(sight: Sight) -> Found:
    since = sight.now - QUIET_DAYS * 86_400
    rows = [
        row
        for row in await sight.operator.store.usage()
        if row.endpoint_key in sight.keys and row.last_at >= since
    ]
    cutover = sight.cutover
    if cutover is None or cutover.applied_at > since:
        return "open", f"{QUIET_DAYS} days have not passed"
    if rows:
        return "open", f"{len(rows)} users in the last {QUIET_DAYS} days"
    if not sight.config.usage.ledger:
        return "unknown", "[usage] ledger is off: who dials them cannot be seen"
    return "ok", f"nobody for {QUIET_DAYS} days"


ROLLBACK: Final = "waypost cutover rollback"


def way_back(step: StepToDo, sight: Sight) -> str:
    """How to take a step back, as things stand."""
    last = sight.table.cutover
    if step.back != ROLLBACK:
        return step.back
    if last is None:
        return "nothing to take back: nothing has been switched"
    if last.state == "rolled-back":
        return f"nothing to take back: cutover {last.number} is rolled back"
    lost = overwritten(last, sight.table)
    if lost:
        return f"{ROLLBACK} --force (undoes later changes of {', '.join(lost)}, too)"
    return ROLLBACK
