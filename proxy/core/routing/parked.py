"""Requests that wait for the store: memory knows nothing of whom they are for.

Where several proxies share a store, another one may have registered the address, or
learned the service URI, a moment ago.  Only a request that would otherwise be refused,
or sent to the default route, waits, and never for long: the shell answers always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.core import commands, events
from proxy.core.validation import Refusal
from proxy.sip.uri import parse_uri

if TYPE_CHECKING:
    from proxy.core.proxy import ProxyCore
    from proxy.core.routing.routes import RouteSet
    from proxy.core.routing.target import Decision
    from proxy.location.binding import Binding
    from proxy.sip.flow import Flow
    from proxy.sip.message import Request
    from proxy.transaction.server import ServerTransaction


class Parked:
    """One request that waits."""

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
    """Who waits for which AOR."""

    def __init__(self, core: ProxyCore, out: list[commands.Command]) -> None:
        self.core = core
        self.out = out
        self.parked: dict[str, list[Parked]] = {}

    def park(
        self, request: Request, routes: RouteSet, flow: Flow, server: ServerTransaction
    ) -> None:
        """Ask the store, once for all that want the same."""
        aor = parse_uri(routes.request_uri).key
        parked = Parked(request, routes, flow, server)
        waiting = self.parked.get(aor)
        if waiting is not None:
            waiting.append(parked)
            return
        self.out.append(commands.LookUp(aor))
        self.parked[aor] = [parked]

    def cancel(self, server: ServerTransaction) -> None:
        """A CANCEL came for a request that may be one of ours."""
        for waiting in self.parked.values():
            for parked in waiting:
                if parked.server is server:
                    parked.is_cancelled = True

    def answered(self, event: events.LookedUp, now: float) -> None:
        """The store has answered, or could not: all go on."""
        core = self.core
        waiting = self.parked.pop(event.aor, ())
        learned = event.learned
        if learned is not None:
            try:
                core.router.learn(learned[0], learned[1], learned[2])
            except Exception as error:
                core.guard.report("look-up.failed", error, event.aor.encode())
        for parked in waiting:
            try:
                self._go_on(parked, event.bindings, now)
            except Exception as error:
                core.guard.request(
                    parked.request, parked.flow, parked.server, error, now
                )

    def _go_on(self, parked: Parked, found: Sequence[Binding], now: float) -> None:
        request, routes, flow = parked.request, parked.routes, parked.flow
        decision: Decision
        if parked.is_cancelled:
            decision = Refusal(487)
        else:
            decision = self.core.router.decide(request, routes, flow, now, found)
        self.core.decided(request, routes, flow, parked.server, decision, now)
