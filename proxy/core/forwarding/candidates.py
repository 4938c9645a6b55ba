"""Where one request may still be tried: its targets, their front ends, which is next.

This module sends nothing and waits for nothing.  The targets come from the rules of RFC
3261 section 16.5, and the front ends of a target from RFC 3263.  They are tried one
after the other (a sequential search, section 16.6), and never in parallel, because a
legacy client drops a second 2xx.
"""

from collections.abc import Sequence

from proxy.core.routing.next_hops import NextHops
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.secure import must_be_secure
from proxy.core.routing.target import Target
from proxy.pools.front_end import FrontEnd, Resolution
from proxy.sip.flow import Flow
from proxy.sip.message import Request


class Candidates:
    """One request, which came over ``flow``, and the places that are left for it.

    ``target`` is the current one.  ``is_secure`` is set when ``sips:`` demands TLS to
    reach it.  ``is_refused`` is set while no front end of it can have got the request.
    ``request`` is None once the search has ended.
    """

    __slots__ = (
        "_front_ends",
        "_next",
        "_next_hops",
        "_targets",
        "flow",
        "is_refused",
        "is_secure",
        "request",
        "routes",
        "target",
    )

    def __init__(
        self,
        next_hops: NextHops,
        request: Request,
        routes: RouteSet,
        flow: Flow,
        targets: list[Target],
    ) -> None:
        self._next_hops = next_hops
        self.request: Request | None = request
        self.routes = routes
        self.flow = flow
        self._targets = targets
        self.target: Target = targets[0]
        self._front_ends: Sequence[FrontEnd] = ()
        self._next = 0
        self.is_refused = self.is_secure = False

    @property
    def is_in_dialog(self) -> bool:
        """True when a Route token of ours, or a To tag, placed it in a dialog."""
        return self.target.rule in ("dialog", "client")

    @property
    def has_more(self) -> bool:
        """True while another front end or target is left to try."""
        return self._next < len(self._front_ends) or bool(self._targets)

    @property
    def has_more_targets(self) -> bool:
        """True while another target is left, whatever is left of this one."""
        return bool(self._targets)

    # -- front ends --------------------------------------------------------------

    def next(self, now: float) -> FrontEnd | None:
        """The next front end of the current target; None when it has no more.

        When none of them can have got the request, those over other transports follow.
        """
        while self._next >= len(self._front_ends):
            if not self.is_refused or not self._find_others(now):
                return None
        if self._next_hops.health.ejected:
            self._heed_ejections(now)
        front_end = self._front_ends[self._next]
        self._next += 1
        return front_end

    def find(self, now: float, answer: Resolution | None = None) -> bool | None:
        """Look up the front ends of the target; None while DNS must be awaited.

        ``answer`` is what DNS has just said; the resolver does not keep every failure.
        False when there are no front ends.
        """
        assert self.request is not None
        found = self._next_hops.find(self.target, self.request, self.flow, now, answer)
        if found is None:
            return None
        if self._next_hops.health.ejected:
            self._next_hops.note_panic(self.target, found, now)
        self._front_ends = found
        self._next = 0
        self.is_refused = bool(found)
        return self.is_refused

    def _find_others(self, now: float) -> bool:
        """Nobody could be reached over the chosen transport: take the others, if any.

        RFC 3263 section 4.3: the server of a name may be out of order over one
        transport, and listen on the next one.
        """
        self.is_refused = False
        found: Sequence[FrontEnd] = ()
        if self.target.lookup is not None and self.request is not None:
            tried = frozenset(f.transport for f in self._front_ends)
            found = self._next_hops.find_others(
                self.target, self.request, self.flow, tried, now
            )
        self._front_ends = found
        self._next = 0
        if not found:
            self.fall_back()
        return bool(found)

    def _heed_ejections(self, now: float) -> None:
        """Put a front end that is not ejected first, if there is one.

        Ejections may have changed since the order was made.  The first choice stays,
        because the order was made with the ejections of that moment.  A front end whose
        ejection is over is tried by one call at a time (decision 15).
        """
        health, first = self._next_hops.health, self._next
        front_end = self._front_ends[first]
        if not health.was_ejected(front_end):
            return
        if first == 0 or not health.is_out(front_end, now):
            health.try_front_end(front_end, now)
            return
        for other in self._front_ends[first + 1 :]:
            if not health.is_out(other, now):
                left = [f for f in self._front_ends[first:] if f is not other]
                self._front_ends = [*self._front_ends[:first], other, *left]
                health.try_front_end(other, now)
                return

    # -- targets -----------------------------------------------------------------

    def next_target(self) -> Target | None:
        """Turn to the next target; None when none is left."""
        if not self._targets:
            return None
        target = self.target = self._targets.pop(0)
        self.is_refused = False
        self.is_secure = must_be_secure(self.routes, target)
        return target

    def can_be_secure(self) -> bool:
        """Whether the current target can be reached over TLS alone."""
        return self._next_hops.can_be_secure(self.target, self.flow)

    def fall_back(self) -> bool:
        """Nobody has got the request: make the target's fallback the next target, if it
        has one."""
        fallback = self.target.fallback
        if fallback is None:
            return False
        self._targets.insert(0, fallback)
        return True

    # -- what is tried no more -----------------------------------------------------

    def drop_front_ends(self) -> None:
        """Try no other front end of this target."""
        self._front_ends = ()

    def drop_targets(self) -> None:
        """Try no other target."""
        self._targets.clear()

    def drop_all(self) -> None:
        """Try nothing after the running attempt."""
        self._front_ends = ()
        self.is_refused = False
        self._targets.clear()

    def close(self) -> None:
        """The search is over: drop the request, because a timer may keep this object
        for 32 s."""
        self.request = None
        self._front_ends = ()
