"""Routes a chat probe of our own to the front end that its Route token names.

The rules of RFC 3261 section 16.5 decide first, so that what would stop a user's call
stops the probe.  Then the token pins the probe to one front end, whatever its health,
without a fallback (decision 103).  Only this machine may use the token, and only for a
short time.  It stands in our own Route entry, which is taken off, so no pool sees it.
The dialog of a probe belongs to no endpoint, so nothing is learned in it.
"""

from typing import Final

from proxy.core.answers.replies import diagnostics
from proxy.core.routing.identity import Identity
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.target import Decision, Target
from proxy.core.tokens import TokenBox
from proxy.core.validation import Refusal
from proxy.endpoints.request_uri import request_uri_for
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import Lookup
from proxy.sip.flow import Flow
from proxy.sip.uri import parse_uri

PINNED: Final = frozenset({"endpoint", "pool", "learned", "default"})
"""Rules that lead a call on to a server.  "default" is among them because a pool may
hand the probe a service URI that no user's call has taught us yet."""


class ChatProbes:
    """Reads the tokens of our own probes."""

    __slots__ = ("_identity", "_source", "_tokens")

    def __init__(self, identity: Identity, tokens: TokenBox, source: str) -> None:
        self._identity = identity
        self._tokens = tokens
        self._source = source

    def pinned(
        self,
        table: EndpointTable,
        routes: RouteSet,
        decision: Decision,
        flow: Flow,
        now: float,
    ) -> Decision:
        """``decision`` for the one front end that the token in ``routes`` names."""
        token = routes.probe
        assert token is not None
        pool = next((x for x in table.pools if self._tokens.is_named(token, x)), "")
        is_ours = self._identity.is_own_host(flow.host, flow.listener)
        if not pool or not is_ours or now >= token.connection_id:
            return self._refusal(403, "stale route")
        # When the decision is to ask the store, do not: the probe goes to the pool in
        # any case.
        request_uri = routes.request_uri
        if isinstance(decision, list):
            if decision[0].rule not in PINNED:
                # Somebody has registered this address and gets its calls.
                return self._refusal(404, "no such user")
            request_uri = decision[0].request_uri
        elif isinstance(decision, Refusal) and decision.status != 404:
            return decision
        uri = parse_uri(routes.request_uri)
        endpoint = table.endpoints.get(uri.key)
        if endpoint is not None:
            policy = endpoint.request_uri
            request_uri = request_uri_for(policy, routes.request_uri, pool)
        transport, sips = token.transport, uri.scheme == "sips"
        lookup = Lookup(token.host, token.port, transport, sips)
        target = Target("probe", request_uri, lookup=lookup, pool=pool)
        if transport == "tls":
            target.server_name = pool
        return [target]

    def _refusal(self, status: int, why: str) -> Refusal:
        return Refusal(status, "", (diagnostics(why, self._source),))
