"""Requests whose address is not in memory wait here for a look-up in the store.

Where several proxies share a store, another one may have registered the address, or
learned the service URI, a moment ago.  Only a request that would otherwise be refused,
or sent to the default route, waits (decision 66).  The shell always answers, so none
waits for long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from proxy.core import commands, events
from proxy.core.guard import Guard
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.target import Decision
from proxy.core.validation import Refusal
from proxy.location.binding import Binding
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri
from proxy.transaction.server import ServerTransaction

Decide = Callable[[Request, RouteSet, Flow, float, Sequence[Binding]], Decision]
"""The router's rules, given the bindings that the store has found."""
GoOn = Callable[[Request, RouteSet, Flow, ServerTransaction, Decision, float], None]
"""What the core does with a request once it is decided."""


class Parked:
    """One request that waits for the store."""

    __slots__ = ("flow", "is_cancelled", "request", "routes", "server")

    def __init__(
        self, request: Request, routes: RouteSet, flow: Flow, server: ServerTransaction
    ) -> None:
        self.request = request
        self.routes = routes
        self.flow = flow
        self.server = server
        self.is_cancelled = False


class LookUps:
    """The waiting requests by AOR; ``learn`` takes a service URI that the store has."""

    __slots__ = ("_decide", "_go_on", "_guard", "_learn", "_out", "parked")

    def __init__(
        self,
        decide: Decide,
        learn: Callable[[str, str, str], bool],
        go_on: GoOn,
        guard: Guard,
        out: list[commands.Command],
    ) -> None:
        self._decide = decide
        self._learn = learn
        self._go_on = go_on
        self._guard = guard
        self._out = out
        self.parked: dict[str, list[Parked]] = {}

    def park(
        self, request: Request, routes: RouteSet, flow: Flow, server: ServerTransaction
    ) -> None:
        """Let a request wait; ask the store if it is the first one for its AOR."""
        aor = parse_uri(routes.request_uri).key
        parked = Parked(request, routes, flow, server)
        waiting = self.parked.get(aor)
        if waiting is not None:
            waiting.append(parked)
            return
        self._out.append(commands.LookUp(aor))
        self.parked[aor] = [parked]

    def cancel(self, server: ServerTransaction) -> None:
        """A CANCEL has come for a request that may wait here."""
        for waiting in self.parked.values():
            for parked in waiting:
                if parked.server is server:
                    parked.is_cancelled = True

    def answered(self, event: events.LookedUp, now: float) -> None:
        """The store has answered, or could not: all requests for this AOR go on."""
        waiting = self.parked.pop(event.aor, ())
        for uri, pool, endpoint in event.learned:
            try:
                self._learn(uri, pool, endpoint)
            except Exception as error:
                self._guard.report("look-up.failed", error, event.aor.encode())
        for parked in waiting:
            try:
                self._answer(parked, event.bindings, now)
            except Exception as error:
                self._fail(parked, error, now)

    def _answer(self, parked: Parked, found: Sequence[Binding], now: float) -> None:
        request, routes, flow = parked.request, parked.routes, parked.flow
        decision: Decision
        if parked.is_cancelled:
            decision = Refusal(487)
        else:
            decision = self._decide(request, routes, flow, now, found)
        self._go_on(request, routes, flow, parked.server, decision, now)

    def give_up(self, aor: str, error: Exception, now: float) -> None:
        """A bug of ours ends all that wait for this AOR."""
        for parked in self.parked.pop(aor, ()):
            self._fail(parked, error, now)

    def _fail(self, parked: Parked, error: Exception, now: float) -> None:
        request, flow, server = parked.request, parked.flow, parked.server
        self._guard.request(request, flow, server, error, now)
