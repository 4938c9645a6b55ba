"""Explains what would become of a request (RFC 3261 sections 16.3 to 16.6).

It asks the validation, the rules, the look-ups and the order of front ends that real
requests meet, and carries nothing out (decision 120).  Where DNS or the store must be
asked first, ``needs`` and ``asks_store`` say so; the caller gets these answers and asks
again with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from proxy.core.answers.replies import REASONS, refuse
from proxy.core.answers.unreached import unreached
from proxy.core.explained.candidates import Candidate, candidates_of
from proxy.core.explained.reasons import canary_sentence, why, why_not
from proxy.core.networks import Networks
from proxy.core.routing.route_set import RouteSet, is_for_registrar, read_routes
from proxy.core.routing.rule_order import decided_by
from proxy.core.routing.secure import must_be_secure, not_secure
from proxy.core.routing.target import ASK, Target
from proxy.core.validation import Refusal
from proxy.endpoints.canary import bucket_of, pool_for
from proxy.pools.front_end import Lookup, Resolution
from proxy.sip.errors import MalformedMessage
from proxy.sip.message import Request, parse_message
from proxy.sip.uri import SipUri, parse_uri

if TYPE_CHECKING:
    from proxy.core.events import Event
    from proxy.core.proxy import ProxyCore
    from proxy.endpoints.table import EndpointTable
    from proxy.location.binding import Binding
    from proxy.sip.flow import Flow

_DIAGNOSTICS: Final = "ms-diagnostics"
Answers = Mapping[Lookup, Resolution]


@dataclass(frozen=True, slots=True)
class RuleSaid:
    """What one rule said, "no" or "decides", and why."""

    rule: str
    says: str
    why: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer that the caller would get from us."""

    status: int
    reason: str
    diagnostics: str = ""


@dataclass(frozen=True, slots=True)
class CanaryChoice:
    """Which of two pools the canary of an endpoint chooses for this caller."""

    endpoint: str
    pool: str
    percent: int
    is_pilot: bool
    number: int
    chosen: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Way:
    """One target, and its front ends in the order of trial.

    ``flow`` is the connection that leads to it, empty for a name.  ``problem`` says why
    none of its front ends can be tried.
    """

    rule: str
    endpoint: str
    pool: str
    request_uri: str
    host: str
    flow: str
    problem: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(slots=True)
class Explanation:
    """What would become of one request; ``answer`` is None when a server answers it and
    not we."""

    rules: list[RuleSaid] = field(default_factory=list)
    decided_by: str = ""
    answer: Answered | None = None
    canary: CanaryChoice | None = None
    ways: list[Way] = field(default_factory=list)
    needs: list[Lookup] = field(default_factory=list)
    asks_store: bool = False


def explain(
    core: ProxyCore,
    request: Request,
    flow: Flow,
    now: float,
    found: Sequence[Binding] | None = None,
    answers: Answers | None = None,
    table: EndpointTable | None = None,
    rng: Random | None = None,
) -> Explanation:
    """Explain a request; ``found`` is what the store has, ``answers`` what DNS said.

    With ``table``, explain as if we routed by it.  ``rng`` is used instead of the
    core's: a draw from that one would change a run that is being recorded.
    """
    answers, hops = answers or {}, core.next_hops
    kept = None
    if table is not None:
        kept = core.router.suppose(table, [*hops.seen(), *answers.values()])
    own, hops.rng = hops.rng, rng or hops.rng
    try:
        return _explained(core, request, flow, now, found, answers)
    finally:
        hops.rng = own
        if kept is not None:
            core.router.restore(kept)


def tell(core: ProxyCore, event: Event, now: float) -> None:
    """Give an event to a core that only explains; its commands are dropped."""
    core.handle(event, now)


def _explained(
    core: ProxyCore,
    request: Request,
    flow: Flow,
    now: float,
    found: Sequence[Binding] | None,
    answers: Answers,
) -> Explanation:
    told = Explanation()
    try:
        refusal = _refused_at_once(core, request)
        if refusal is None:
            _ask_the_rules(core, request, flow, now, found, answers, told)
            return told
        told.decided_by = "draining" if core.requests.is_draining else "validation"
    except MalformedMessage as error:
        refusal = Refusal(error.status, error.reason)
        told.decided_by = "validation"
    told.answer = _answered(core, request, refusal)
    return told


def _refused_at_once(core: ProxyCore, request: Request) -> Refusal | None:
    """The refusal of validation (section 16.3) or of a drain; None without one."""
    refusal = core.requests.validate(request)
    if refusal is None and core.requests.is_draining and request.to_tag() is None:
        return Refusal(503)
    return refusal


def _ask_the_rules(
    core: ProxyCore,
    request: Request,
    flow: Flow,
    now: float,
    found: Sequence[Binding] | None,
    answers: Answers,
    told: Explanation,
) -> None:
    router = core.router
    routes = read_routes(request, core.identity, core.tokens)
    uri = parse_uri(routes.request_uri)
    registrar = core.registrar
    if (
        request.method == b"REGISTER"
        and registrar is not None
        and is_for_registrar(routes, core.identity)
    ):
        _ask_the_registrar(core, request, flow, told)
        return
    notes: list[str] = []
    decision = router.decide(request, routes, flow, now, found, notes)
    told.rules = [
        RuleSaid(rule, "no", why_not(router, rule, routes, uri, now)) for rule in notes
    ]
    if decision is ASK:
        told.asks_store = True
        return
    told.decided_by = decided_by(notes)
    caller = request.from_aor()
    targets: Sequence[Target] = decision if isinstance(decision, list) else ()
    reason = why(router, told.decided_by, routes, uri, caller, targets)
    told.rules.append(RuleSaid(told.decided_by, "decides", reason))
    told.canary = _canary(core, uri, targets, caller)
    if isinstance(decision, Refusal):
        told.answer = _answered(core, request, decision)
        return
    failure: Refusal | None = None
    for target in targets:
        way, failure = _way(core, request, routes, target, flow, now, answers, told)
        told.ways.append(way)
    is_open = any(
        any(each.can_be_tried for each in way.candidates)
        or (way.flow and not way.problem)
        for way in told.ways
    )
    if not is_open and not told.needs and failure is not None:
        told.answer = _answered(core, request, failure)


def _ask_the_registrar(
    core: ProxyCore, request: Request, flow: Flow, told: Explanation
) -> None:
    """Explain a REGISTER that our own registrar would answer."""
    registrar = core.registrar
    assert registrar is not None
    told.decided_by = "registrar"
    try:
        key = registrar.named(request).key
    except MalformedMessage as error:
        told.rules.append(RuleSaid("registrar", "decides", "it registers nobody here"))
        told.answer = _answered(core, request, Refusal(error.status, error.reason))
        return
    endpoint = core.router.table.endpoints.get(key)
    if flow.host not in Networks(registrar.settings.trusted_networks):
        status, reason = 401, "the registrar asks for a password first"
    elif endpoint is not None:
        status = 403
        reason = f"{endpoint.sip_address} is an endpoint: nobody may register as it"
    else:
        status, reason = 200, f"the registrar binds it: {flow.host} is trusted"
    told.rules.append(RuleSaid("registrar", "decides", reason))
    told.answer = Answered(status, REASONS.get(status, "OK"))


def _canary(
    core: ProxyCore, uri: SipUri, targets: Sequence[Target], caller: str
) -> CanaryChoice | None:
    """The choice between two pools; None where the endpoint has no canary."""
    key = targets[0].endpoint if targets else uri.key
    endpoint = core.router.table.endpoints.get(key)
    if endpoint is None or endpoint.canary is None:
        return None
    canary = endpoint.canary
    return CanaryChoice(
        endpoint.sip_address,
        canary.pool_fqdn,
        canary.percent,
        caller in canary.pilots,
        bucket_of(caller),
        pool_for(endpoint, caller),
        canary_sentence(endpoint, caller),
    )


def _way(
    core: ProxyCore,
    request: Request,
    routes: RouteSet,
    target: Target,
    flow: Flow,
    now: float,
    answers: Answers,
    told: Explanation,
) -> tuple[Way, Refusal | None]:
    """One target, and the answer if none of its front ends can be tried."""
    failure: Refusal | None = None
    found: tuple[Candidate, ...] = ()
    problem = way = ""
    source, is_invite = core.settings.source, request.method == b"INVITE"
    is_secure = must_be_secure(routes, target)
    if is_secure and not core.next_hops.can_be_secure(target, flow):
        failure = not_secure(source)
        problem = "sips: needs TLS on every hop, and there is none towards it"
    elif target.flow is not None:
        way = repr(target.flow)[6:-1]
        if not target.flow.is_open:
            problem = "the connection is gone"
            failure = unreached(target, is_invite, source, "flow gone")
    else:
        lookup = target.lookup
        assert lookup is not None
        listed = candidates_of(core, request, target, flow, now, answers.get(lookup))
        if listed is None:
            told.needs.append(lookup)
        elif not any(each.can_be_tried for each in listed):
            cause, problem = core.next_hops.why_not(target, now)
            others = [each for each in listed if not each.is_drained]
            if others:
                cause, problem = "unreachable", others[-1].note
            failure = unreached(target, is_invite, source, cause, problem)
        found = tuple(listed or ())
    host = target.lookup.host if target.lookup is not None else ""
    uri = target.request_uri.decode("utf-8", "replace")
    told_way = Way(
        target.rule, target.endpoint, target.pool, uri, host, way, problem, found
    )
    return told_way, failure


def _answered(core: ProxyCore, request: Request, refusal: Refusal) -> Answered:
    """The very answer that would go back, as far as people read it."""
    try:
        data = refuse(request, refusal, core.settings.source)
        response = parse_message(data)
    except MalformedMessage:  # what cannot be answered in full
        return Answered(refusal.status, refusal.reason or REASONS[refusal.status])
    words = data.partition(b"\r\n")[0].split(b" ", 2)
    line = response.value(_DIAGNOSTICS) or b""
    return Answered(
        int(words[1]),
        words[2].decode("utf-8", "replace"),
        line.decode("utf-8", "replace"),
    )
