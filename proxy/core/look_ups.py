"""Requests that wait for the store: memory knows nothing of whom they are for.

Where several proxies share a store, another one may have registered the address, or
learned the service URI, a moment ago.  Only a request that would otherwise be refused,
or sent to the default route, waits, and never for long: the shell answers always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.core import commands, events
from proxy.core.validation import Refusal
from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri

if TYPE_CHECKING:
    from proxy.core.proxy import ProxyCore
    from proxy.core.routes import RouteSet
    from proxy.core.target import Decision
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
        self._waiting: dict[str, list[Parked]] = {}

    def park(
        self, request: Request, routes: RouteSet, flow: Flow, server: ServerTransaction
    ) -> None:
        """Ask the store, once for all that want the same."""
        aor = parse_uri(routes.request_uri).key
        parked = Parked(request, routes, flow, server)
        waiting = self._waiting.get(aor)
        if waiting is not None:
            waiting.append(parked)
            return
        self._waiting[aor] = [parked]
        self.out.append(commands.LookUp(aor))

    def cancel(self, server: ServerTransaction) -> None:
        """A CANCEL came for a request that may be one of ours."""
        for waiting in self._waiting.values():
            for parked in waiting:
                if parked.server is server:
                    parked.is_cancelled = True

    def answered(self, event: events.LookedUp, now: float) -> None:
        """The store has answered, or could not: all go on."""
        core = self.core
        if event.learned is not None:
            core.router.learn(event.learned[0], event.learned[1], event.learned[2])
        for parked in self._waiting.pop(event.aor, ()):
            if parked.is_cancelled:
                decision: Decision = Refusal(487)
            else:
                try:
                    decision = core.router.decide(
                        parked.request, parked.routes, parked.flow, now, event.bindings
                    )
                except MalformedMessage as error:
                    decision = Refusal(error.status, error.reason)
            core.decided(
                parked.request, parked.routes, parked.flow, parked.server, decision, now
            )
