"""The front ends at which a request would be tried, in order, by RFC 3263, RFC 2782 and
what is known of their health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.core.routing.next_hops import is_covered
from proxy.pools.front_end import FrontEnd, Resolution
from proxy.pools.health import HealthBook

if TYPE_CHECKING:
    from proxy.core.proxy import ProxyCore
    from proxy.core.routing.target import Target
    from proxy.sip.flow import Flow
    from proxy.sip.message import Request


@dataclass(frozen=True, slots=True)
class Candidate:
    """One front end; durations are seconds.

    ``patience`` is how long it may stay silent before the next one is tried; None for
    the last one, which gets the rest of the budget (decision 16).  ``note`` says why it
    cannot be tried, or when it would be.  ``ejected_for`` is how long it still stays
    ejected.  ``is_drained`` is set when an operator keeps new dialogs from it.
    """

    transport: str
    name: str
    host: str
    port: int
    priority: int
    weight: int
    state: str
    state_for: float
    reason: str
    ejected_for: float
    patience: float | None
    note: str = ""
    can_be_tried: bool = True
    is_drained: bool = False


def candidates_of(
    core: ProxyCore,
    request: Request,
    target: Target,
    flow: Flow,
    now: float,
    answer: Resolution | None,
) -> list[Candidate] | None:
    """The front ends in the order of trial; None while DNS must be awaited."""
    hops, health = core.next_hops, core.health
    found = hops.find(target, request, flow, now, answer)
    if found is None:
        return None
    first = in_turn(found, health, now)
    tried = frozenset(each.transport for each in first)
    others = hops.find_others(target, request, flow, tried, now) if first else ()
    rest = in_turn(others, health, now)
    told = [_candidate(core, target, flow, x, now, "") for x in first]
    what = " or ".join(sorted(tried))
    only = f"only if nobody can be reached over {what}"
    told += [_candidate(core, target, flow, x, now, only) for x in rest]
    told += _left_out(core, target, flow, now, answer)
    last = max((n for n, x in enumerate(told) if x.can_be_tried), default=-1)
    return [x if n != last else _as_last(x) for n, x in enumerate(told)]


def in_turn(
    found: Sequence[FrontEnd], health: HealthBook, now: float
) -> list[FrontEnd]:
    """The order of a search in which nobody answers: the first choice, then those that
    are not ejected, then the ejected ones (``Candidates.next``)."""
    rest = sorted(found[1:], key=lambda x: health.is_out(x, now))
    return [*found[:1], *rest]


def _candidate(
    core: ProxyCore,
    target: Target,
    flow: Flow,
    front_end: FrontEnd,
    now: float,
    note: str,
) -> Candidate:
    key, attempts = front_end.key, core.settings.attempts
    known = core.health.state_of(front_end, now)
    is_out = core.health.is_out(front_end, now)
    listener = core.flows.listener_for(*key[:2], flow.listener)
    if listener is None:
        note = f"skipped: there is no {front_end.transport} listener to send from"
    return Candidate(
        front_end.transport,
        front_end.name,
        front_end.host,
        front_end.port,
        front_end.priority,
        front_end.weight,
        known.state,
        now - known.since if known.transitions else 0.0,
        known.reason,
        max(0.0, known.until - now) if is_out else 0.0,
        attempts.first_answer,
        note,
        listener is not None,
    )


def _left_out(
    core: ProxyCore,
    target: Target,
    flow: Flow,
    now: float,
    answer: Resolution | None,
) -> list[Candidate]:
    """The front ends that an operator has drained, with the reason."""
    hops, lookup = core.next_hops, target.lookup
    drains = hops.drains_of(target, now)
    if not drains or lookup is None:
        return []
    resolution = hops.known(lookup, now) or answer
    found = {x.key: x for x in (resolution.front_ends() if resolution else ())}
    told = []
    for front_end in found.values():
        drain = next((x for x in drains if is_covered(x, front_end, target.pool)), None)
        if drain is not None:
            row = _candidate(core, target, flow, front_end, now, "")
            why = f": {drain.reason}" if drain.reason else ""
            note = f"skipped: drained by {drain.drained_by}{why}"
            told.append(replace(row, note=note, can_be_tried=False, is_drained=True))
    return told


def _as_last(candidate: Candidate) -> Candidate:
    """The last one gets the rest of the budget."""
    return replace(candidate, patience=None)
