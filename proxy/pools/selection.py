"""Which front ends a request tries, in which order: RFC 2782 and health.

It runs for every request outside a dialog.  So the parts that do not change between two
requests (transport, groups) are worked out once for each Resolution and kept in its
``plans``.  `srv.py` has what the names resolve to, `health.py` which front ends failed.
This module is pure.
"""

import random
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, cast

from proxy.pools.front_end import FrontEnd, Resolution
from proxy.pools.health import HealthBook
from proxy.pools.srv import precedence
from proxy.sip.flow import Transport

# RFC 2782 gives a weight of 0 "a very small chance".  We draw by shares and not by the
# RFC's integer walk, so that equal weights get equal shares whatever their order.
ZERO_WEIGHT: Final = 0.1


# The client's own transport comes first of those that a name offers: its messages have
# a size for it, and Record-Route needs one entry instead of two.
PREFERENCE: Final[dict[str, tuple[Transport, ...]]] = {
    "udp": ("udp", "tls", "tcp"),
    "tcp": ("tcp", "tls", "udp"),
    "tls": ("tls", "tcp", "udp"),
}
"""By the transport that a request came over: the transports to send it over, in
order."""


Skip = Callable[[FrontEnd], bool]


class _Target(NamedTuple):
    """One SRV target; ``addresses`` are grouped by RFC 6724 precedence."""

    weight: float
    addresses: tuple[tuple[FrontEnd, ...], ...]


_Group = tuple[_Target, ...]


class _Plan:
    """The part of the order that is the same for every request.

    ``fixed`` is the whole order if there is nothing to draw, else None.
    """

    __slots__ = ("fixed", "groups")

    def __init__(self, groups: tuple[tuple[FrontEnd, ...], ...]) -> None:
        self.groups = tuple(_targets(group) for group in groups)
        is_fixed = all(
            len(group) == 1 and all(len(same) == 1 for same in group[0].addresses)
            for group in self.groups
        )
        self.fixed = tuple(fe for group in groups for fe in group) if is_fixed else None


def order(
    resolution: Resolution,
    preference: tuple[Transport, ...],
    rng: random.Random,
    health: HealthBook | None = None,
    now: float = 0.0,
    skip: Skip | None = None,
) -> tuple[FrontEnd, ...]:
    """The front ends to try, best first; empty when the Resolution has none.

    One transport is chosen: the first of NAPTR's order, else the first of
    ``preference`` that has front ends, else any.  Inside it: priorities in order,
    a weighted draw among the targets of one priority, all addresses of a target
    together; ejected front ends last, and those left out that ``skip`` is true of.
    """
    plan = resolution.plans.get(preference)
    if plan is None:
        plan = _plan(resolution, preference, _transport(resolution, preference))
    return _draw(cast(_Plan, plan), rng, health, now, skip)


def order_for(
    resolution: Resolution,
    transport: Transport,
    rng: random.Random,
    health: HealthBook | None = None,
    now: float = 0.0,
    skip: Skip | None = None,
) -> tuple[FrontEnd, ...]:
    """The front ends of one transport; empty when the name does not offer it.

    RFC 3261 section 18.1.1: a request too large for UDP goes over TCP.
    """
    plan = resolution.plans.get(transport)
    if plan is None:
        plan = _plan(resolution, transport, transport)
    return _draw(cast(_Plan, plan), rng, health, now, skip)


def in_use(
    resolution: Resolution, preference: tuple[Transport, ...]
) -> tuple[FrontEnd, ...]:
    """All front ends that ``order`` chooses from."""
    transport = _transport(resolution, preference)
    groups = resolution.groups.get(transport, ()) if transport else ()
    return tuple(front_end for group in groups for front_end in group)


def _transport(
    resolution: Resolution, preference: tuple[Transport, ...]
) -> Transport | None:
    candidates = (*resolution.naptr_order, *preference, *resolution.groups)
    return next((t for t in candidates if resolution.groups.get(t)), None)


def _plan(resolution: Resolution, key: object, transport: Transport | None) -> _Plan:
    plan = _Plan(resolution.groups.get(transport, ()) if transport else ())
    resolution.plans[key] = plan
    return plan


def _draw(
    plan: _Plan,
    rng: random.Random,
    health: HealthBook | None,
    now: float,
    skip: Skip | None,
) -> tuple[FrontEnd, ...]:
    drawn = plan.fixed
    if drawn is None:
        found: list[FrontEnd] = []
        for group in plan.groups:
            for target in _weighted(group, rng):
                for addresses in target.addresses:
                    found += _shuffled(addresses, rng)
        drawn = tuple(found)
    if skip is not None:
        drawn = tuple(each for each in drawn if not skip(each))
    if health is not None and health.ejected:
        return _ejected_last(drawn, health, now)
    return drawn


def _weighted(group: _Group, rng: random.Random) -> Iterable[_Target]:
    """RFC 2782: draw without replacement, each time by the weights that are left."""
    if len(group) == 1:
        return group
    left = list(group)
    total = sum(target.weight for target in left)
    drawn = []
    while len(left) > 1:
        point = rng.random() * total
        for index, target in enumerate(left):  # noqa: B007 - the last one when rounding
            point -= target.weight
            if point < 0:
                break
        total -= target.weight
        drawn.append(left.pop(index))
    drawn.append(left[0])
    return drawn


def _shuffled(
    addresses: tuple[FrontEnd, ...], rng: random.Random
) -> Iterable[FrontEnd]:
    """The addresses of one name in random order, which stands for DNS round robin."""
    if len(addresses) == 1:
        return addresses
    return rng.sample(addresses, len(addresses))


def _ejected_last(
    front_ends: tuple[FrontEnd, ...], health: HealthBook, now: float
) -> tuple[FrontEnd, ...]:
    """Move ejected front ends to the end, but never more than half of all.

    When more are ejected, those with the shortest ejections keep their places: if
    everything fails, the fault is more likely ours or the network's.
    """
    out = [fe for fe in front_ends if health.is_out(fe, now)]
    allowed = len(front_ends) // 2
    if len(out) > allowed:
        out.sort(key=lambda fe: health.out_until(fe), reverse=True)
        out = out[:allowed]
    if not out:
        return front_ends
    moved = set(out)
    stay = [fe for fe in front_ends if fe not in moved]
    return (*stay, *(fe for fe in front_ends if fe in moved))


def _targets(group: tuple[FrontEnd, ...]) -> _Group:
    """Group the addresses of one target, which share its weight."""
    by_target: dict[tuple[str, int], list[FrontEnd]] = {}
    for front_end in group:
        by_target.setdefault((front_end.name, front_end.port), []).append(front_end)
    return tuple(
        _Target(found[0].weight or ZERO_WEIGHT, _by_precedence(found))
        for found in by_target.values()
    )


def _by_precedence(front_ends: list[FrontEnd]) -> tuple[tuple[FrontEnd, ...], ...]:
    classes: dict[int, list[FrontEnd]] = {}
    for front_end in front_ends:
        classes.setdefault(precedence(front_end.host), []).append(front_end)
    return tuple(tuple(classes[rank]) for rank in sorted(classes))
