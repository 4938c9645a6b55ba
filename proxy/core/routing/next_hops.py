"""From a target to the front ends that it may be sent to, in order.

RFC 3263 gives the addresses of a name.  This module adds what depends on the request:
the transport it came on, its size, where it came from, and that we must not be our own
next hop.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

from proxy.core.first_hop.affinity import Affinity
from proxy.core.routing.identity import Identity
from proxy.core.routing.router import Router
from proxy.core.routing.secure import can_be_secure
from proxy.core.routing.target import Target
from proxy.endpoints.model import Drain
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import HealthBook, Key
from proxy.pools.selection import PREFERENCE, Skip, order, order_for
from proxy.pools.srv import numeric_resolution
from proxy.sip.flow import DEFAULT_PORT, Flow, FlowTable, Transport
from proxy.sip.message import Request

UDP_LIMIT: Final = 1300
"""Bytes above which a request must not go over UDP (RFC 3261 section 18.1.1)."""
_OVERHEAD: Final = 250  # what Via and Record-Route usually add
_BEGINS: Final = frozenset({"endpoint", "pool", "learned"})
"""Rules that lead a request which begins something to a pool of the table."""
_DRAINED: Final = "every front end is drained: waypost pool undrain brings one back"
_KEPT: Final = 4096  # names remembered; at so many all are forgotten
_NUMERIC: Final = 1024  # addresses remembered; the same

Cached = Callable[[Lookup, float], Resolution | None]


class NextHops:
    """Orders front ends; ``cached`` looks in the resolver's memory and never waits."""

    __slots__ = (
        "_affinity",
        "_cached",
        "_identity",
        "_numeric",
        "_seen",
        "_to_us",
        "_transports",
        "health",
        "panics",
        "rng",
        "router",
    )

    def __init__(
        self,
        flows: FlowTable,
        identity: Identity,
        router: Router,
        cached: Cached,
        rng: random.Random,
        affinity: Affinity,
    ) -> None:
        self._affinity = affinity
        self.health = HealthBook()
        self.health.is_ours = self._is_ours
        self.panics: dict[str, int] = {}
        self._transports = frozenset(x.transport for x in flows.listeners)
        self._identity = identity
        self.router = router
        self._cached = cached
        self.rng = rng
        self._seen: dict[Lookup, Resolution] = {}
        self._numeric: dict[Lookup, Resolution] = {}
        self._to_us: set[Lookup] = set()

    def _is_ours(self, key: Key) -> bool:
        """Whether a pool or the default route has this address."""
        return key[1] in self.router.front_ends or self.is_default_route(key[1])

    def can_be_secure(self, target: Target, flow: Flow) -> bool:
        """Whether a request of ``flow`` can reach ``target`` over TLS alone."""
        pinned = None
        if flow.first_hop and target.rule == "default":
            pinned = self._affinity.front_end_of(flow)
        transport = pinned.transport if pinned is not None else None
        return can_be_secure(target, self._transports, transport)

    def find(
        self,
        target: Target,
        request: Request,
        flow: Flow,
        now: float,
        answer: Resolution | None = None,
    ) -> Sequence[FrontEnd] | None:
        """The front ends of ``target``, best first; None while DNS must be awaited.

        ``answer`` is what DNS has just said.  It serves where the resolver remembers
        nothing: it does not keep every failure, and without ``answer`` the same
        question would be asked for ever.
        """
        lookup = target.lookup
        assert lookup is not None
        pinned = self._affinity.front_end_of(flow) if flow.first_hop else None
        if pinned is not None and target.rule == "default":
            return (pinned,)
        resolution = (
            self._numeric.get(lookup)
            or self._of_address(lookup)
            or self._cached(lookup, now)
            or answer
        )
        if resolution is None:
            return None
        if self._seen.get(lookup) is not resolution:
            self.note(lookup, resolution)
        skip = self._drained(target, now) if self.router.table.drains else None
        preference = PREFERENCE[flow.transport]
        found: Sequence[FrontEnd] = order(
            resolution, preference, self.rng, self.health, now, skip
        )
        if pinned is not None:
            # In-dialog requests stay on the pinned front end too, if the target lists
            # it.
            found = [f for f in found if f.key == pinned.key] or found
        if target.prefer_host and len(found) > 1:
            host = target.prefer_host
            found = sorted(found, key=lambda f: host not in (f.name.lower(), f.host))
        prefer = target.prefer
        if prefer is not None and len(found) > 1:
            found = sorted(found, key=lambda f: f.key != prefer)
        if target.server_name:
            found = [f._replace(pool=target.server_name) for f in found]
        if request.size > UDP_LIMIT - _OVERHEAD and found:
            found = self._over_tcp(resolution, found, now, skip)
        return self._without_loops(found, target, request, flow)

    def _of_address(self, lookup: Lookup) -> Resolution | None:
        """The resolution of a numeric host, which needs no DNS; None for a name."""
        found = numeric_resolution(lookup, self._transports)
        if found is not None:
            if len(self._numeric) >= _NUMERIC:
                self._numeric.clear()
            self._numeric[lookup] = found
        return found

    def find_others(
        self,
        target: Target,
        request: Request,
        flow: Flow,
        tried: frozenset[Transport],
        now: float,
    ) -> Sequence[FrontEnd]:
        """The front ends over the transports that have not been tried.

        A name that has only addresses promises no transport, and an SRV record may be
        out of date.  So another transport is worth a try.
        """
        lookup = target.lookup
        assert lookup is not None
        if target.rule == "default" and self._affinity.front_end_of(flow) is not None:
            return ()
        resolution = self._cached(lookup, now)
        if resolution is None:
            return ()
        found: list[FrontEnd] = []
        skip = self._drained(target, now) if self.router.table.drains else None
        for transport in PREFERENCE[flow.transport]:
            if transport not in tried and transport in resolution.groups:
                found += order_for(
                    resolution, transport, self.rng, self.health, now, skip
                )
        return self._without_loops(found, target, request, flow)

    def note_panic(self, target: Target, found: Sequence[FrontEnd], now: float) -> None:
        """Count, by pool, a request for which every front end is ejected; they are
        tried all the same."""
        if (
            found
            and target.rule in _BEGINS
            and all(self.health.is_out(each, now) for each in found)
        ):
            pool = target.pool.lower()
            if len(self.panics) >= _KEPT:
                self.panics.clear()
            self.panics[pool] = self.panics.get(pool, 0) + 1

    def drains_of(self, target: Target, now: float) -> tuple[Drain, ...]:
        """The drains that count for a request to ``target``.

        A drain counts for requests that begin something.  A request inside a dialog and
        our own probe must reach their one front end.
        """
        if target.rule not in _BEGINS:
            return ()
        wall = now + self.router.location.wall_offset
        return tuple(x for x in self.router.table.drains if not x.has_ended(wall))

    def _drained(self, target: Target, now: float) -> Skip | None:
        """Tells which front ends get no new dialogs; None while all do."""
        drains, pool = self.drains_of(target, now), target.pool

        def is_drained(front_end: FrontEnd) -> bool:
            return any(is_covered(each, front_end, pool) for each in drains)

        return is_drained if drains else None

    def _without_loops(
        self,
        found: Sequence[FrontEnd],
        target: Target,
        request: Request,
        flow: Flow,
    ) -> Sequence[FrontEnd]:
        if target.rule == "default":
            found = [f for f in found if not _is_sender(request, flow, f)]
        if target.lookup in self._to_us:
            found = [f for f in found if not self._identity.is_own(f.host, f.port)]
        by = target.named_by
        if by and not all(self._identity.may_name(f.host, by) for f in found):
            found = [f for f in found if self._identity.may_name(f.host, by)]
        return found

    def is_default_route(self, host: str) -> bool:
        """Whether this numeric address is one of the default route's."""
        lookup = self.router.default_lookup
        if lookup is None:
            return False
        known = numeric_resolution(lookup, self._transports) or self._seen.get(lookup)
        return known is not None and any(f.host == host for f in known.front_ends())

    def known(self, lookup: Lookup, now: float) -> Resolution | None:
        """The last resolution of a look-up that is still remembered."""
        return self._cached(lookup, now) or self._seen.get(lookup)

    def is_unknown(self, lookup: Lookup, now: float) -> bool:
        """True when DNS has not answered for this name."""
        resolution = self._cached(lookup, now) or self._seen.get(lookup)
        return resolution is not None and resolution.error == "timeout"

    def why_not(self, target: Target, now: float) -> tuple[str, str]:
        """Why a look-up gave nothing: a key of replies.DIAGNOSTICS and a sentence."""
        lookup = target.lookup
        assert lookup is not None
        resolution = self._cached(lookup, now) or self._seen.get(lookup)
        if resolution is None or resolution.error is None:
            skip = self._drained(target, now)
            known = [] if resolution is None else resolution.front_ends()
            is_drained = skip is not None and any(skip(each) for each in known)
            return "unreachable", _DRAINED if is_drained else ""
        cause = resolution.error if resolution.error != "timeout" else "srv"
        return cause, resolution.reason

    def note(self, lookup: Lookup, resolution: Resolution) -> None:
        """Take a new resolution: note the front ends of pools, and whether one of its
        addresses is our own."""
        if len(self._seen) >= _KEPT:
            self._seen.clear()
            self._to_us.clear()
        self._seen[lookup] = resolution
        self.router.learn_front_ends(resolution)
        is_own = self._identity.is_own
        if any(is_own(f.host, f.port) for f in resolution.front_ends()):
            self._to_us.add(lookup)
        else:
            self._to_us.discard(lookup)

    def seen(self) -> list[Resolution]:
        """Every resolution in use."""
        return list(self._seen.values())

    def _over_tcp(
        self,
        resolution: Resolution,
        found: Sequence[FrontEnd],
        now: float,
        skip: Skip | None,
    ) -> Sequence[FrontEnd]:
        """Section 18.1.1: a request too large for UDP goes over TCP first, and over UDP
        if that is refused."""
        lookup = resolution.lookup
        if (
            found[0].transport != "udp"
            or "tcp" not in self._transports
            or lookup.transport == "udp"
        ):
            return found
        streams = order_for(resolution, "tcp", self.rng, self.health, now, skip)
        if not streams and lookup.port is not None:
            streams = tuple(f._replace(transport="tcp") for f in found)
        return [*streams, *found]


def is_covered(drain: Drain, front_end: FrontEnd, pool: str) -> bool:
    """Whether a drain covers a front end of ``pool``."""
    found = pool.lower() or front_end.pool
    return drain.covers(front_end.name, front_end.host, front_end.port, found)


def _is_sender(request: Request, flow: Flow, front_end: FrontEnd) -> bool:
    """True when the next hop is the sender of the request: it must not get it back.

    A server may connect from any port, so its certificate tells more than its Via.
    """
    if front_end.server_name in flow.peer_names:
        return True
    if request.via is None or front_end.host != flow.host:
        return False
    port = request.via.head.port or DEFAULT_PORT[flow.transport]
    return front_end.port == port
