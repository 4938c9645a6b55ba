"""Where a request goes (RFC 3261 section 16.5): a short list of rules, in order.

Each rule is a method that returns targets, a refusal, or None for "not my case".  The
order is the promise of the product: own Route first, then ourselves, the endpoint
table, our pools, learned URIs, bindings, the default route, and last a refusal.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from proxy.core.lookups import lookup_of
from proxy.core.replies import diagnostics
from proxy.core.routes import Identity, RouteSet
from proxy.core.settings import CoreSettings
from proxy.core.tokens import NO_ENDPOINT, TokenBox, caller_mark
from proxy.core.validation import Refusal
from proxy.endpoints.canary import pool_for
from proxy.endpoints.model import LearnedUri, Pool
from proxy.endpoints.request_uri import request_uri_for
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import Binding
from proxy.location.service import LocationService
from proxy.pools.front_end import Lookup, Resolution
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import SipUri, parse_uri

Rule = Literal["dialog", "client", "endpoint", "pool", "learned", "binding", "default"]

ALLOW: Final = (
    b"Allow: INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS, SUBSCRIBE, NOTIFY, "
    b"BENOTIFY, MESSAGE, SERVICE, REFER, PRACK, PUBLISH, REGISTER"
)


class Target:
    """One destination: a flow that is there, or a name to look up.

    ``request_uri`` is what the request will carry; ``prefer_host`` a front end (name
    or address) that is tried before its siblings; ``tag`` goes into the flow token;
    ``routes`` are Route values to put in front (the Path of a binding).
    """

    __slots__ = (
        "endpoint",
        "flow",
        "lookup",
        "pool",
        "prefer_host",
        "request_uri",
        "routes",
        "rule",
        "tag",
    )

    def __init__(
        self,
        rule: Rule,
        request_uri: bytes,
        *,
        lookup: Lookup | None = None,
        flow: Flow | None = None,
        endpoint: str = "",
        pool: str = "",
        tag: bytes = NO_ENDPOINT,
        prefer_host: str = "",
        routes: Sequence[bytes] = (),
    ) -> None:
        self.rule: Rule = rule
        self.request_uri = request_uri
        self.lookup = lookup
        self.flow = flow
        self.endpoint = endpoint
        self.pool = pool
        self.tag = tag
        self.prefer_host = prefer_host
        self.routes = routes


Decision = list[Target] | Refusal


class Router:
    """The rules and what they look at.

    ``table`` is swapped when the endpoint table changes.  ``front_ends`` maps the name
    or address of every known front end to its pool.
    """

    __slots__ = (
        "_default",
        "_lookups",
        "_unsaved",
        "front_ends",
        "identity",
        "location",
        "settings",
        "table",
        "tokens",
    )

    def __init__(
        self,
        settings: CoreSettings,
        identity: Identity,
        tokens: TokenBox,
        table: EndpointTable,
    ) -> None:
        self.settings = settings
        self.identity = identity
        self.tokens = tokens
        self.table = table
        self.location = LocationService()
        self.front_ends: dict[str, str] = {}
        self._unsaved: dict[str, LearnedUri] = {}
        self._lookups: dict[tuple[str, str], Lookup] = {}  # of pools, by scheme
        default = settings.default_route
        self._default = lookup_of(parse_uri(default)) if default else None

    def swap_table(
        self, table: EndpointTable, resolutions: Iterable[Resolution]
    ) -> None:
        """Route by ``table`` from now on.

        What was learned and is not in the store yet is carried over: the store may be
        a moment behind.
        """
        for key, uri in list(self._unsaved.items()):
            if key in table.learned or uri.endpoint_key not in table.endpoints:
                del self._unsaved[key]
        self.table = table.with_learned(self._unsaved) if self._unsaved else table
        self.front_ends = {}
        self._lookups = {}
        for resolution in resolutions:
            self.learn_front_ends(resolution)

    def learn(self, uri: str, pool: str, endpoint_key: str) -> bool:
        """Route ``uri`` to ``pool`` from now on; False when that was known already."""
        key = parse_uri(uri.encode()).key
        known = self.table.learned.get(key)
        if key in self.table.endpoints or (known and known.pool_fqdn == pool):
            return False
        learned = LearnedUri(uri, key, pool, endpoint_key, 0.0, 0.0)
        self._unsaved[key] = learned
        self.table = self.table.with_learned({key: learned})
        return True

    def learn_front_ends(self, resolution: Resolution) -> None:
        """Note which names and addresses belong to a pool of ours."""
        pool = resolution.lookup.host
        if self.table.pool(pool) is None:
            return
        for front_end in resolution.front_ends():
            self.front_ends[front_end.host] = pool
            if front_end.name:
                self.front_ends[front_end.name.lower()] = pool

    def decide(
        self, request: Request, routes: RouteSet, flow: Flow, now: float
    ) -> Decision:
        """All rules in order; raises MalformedMessage for an unreadable URI."""
        uri = parse_uri(routes.request_uri)
        if request.hops == 0:  # an OPTIONS: validation has refused all others
            return self.for_us(request, uri) or Refusal(483)
        return (
            self.by_dialog(request, routes, uri, flow)
            or self.by_foreign_route(routes)
            or self.for_us(request, uri)
            or self.by_endpoint(request, routes, uri)
            or self.by_pool(routes, uri)
            or self.by_learned_uri(routes, uri)
            or self.by_binding(uri, now)
            or self.by_default(routes)
            or self.nowhere(uri)
        )

    # -- rules -------------------------------------------------------------------

    def by_dialog(
        self, request: Request, routes: RouteSet, uri: SipUri, flow: Flow
    ) -> Decision | None:
        """Our own token in Route: towards the caller by its flow, else by Route."""
        token = routes.token
        if token is None:
            if routes.claims_token:
                return Refusal(403, "", (self._why("stale route"),))
            return None
        if not self._is_from_caller(request, routes, flow):
            caller_flow = self.tokens.flow_of(token)
            return [
                Target(
                    "client",
                    routes.request_uri,
                    flow=caller_flow,
                    lookup=None
                    if caller_flow
                    else lookup_of(routes.first_uri() or uri),
                    tag=token.endpoint_tag,
                )
            ]
        next_hop = routes.first_uri() or uri
        if not routes.entries and self._is_ours(next_hop):
            return None  # the callee gave no Contact: the alias is dialled again
        return [
            Target(
                "dialog",
                routes.request_uri,
                lookup=lookup_of(next_hop),
                tag=token.endpoint_tag,
            )
        ]

    def by_foreign_route(self, routes: RouteSet) -> Decision | None:
        """A Route that we did not hand out is not followed: we are no open relay."""
        next_hop = routes.first_uri()
        if next_hop is None:
            return None
        host = next_hop.target_host
        pool = self._pool_of(host)
        if pool:
            # The pool's own addresses, never the entry's port: a stranger must not
            # choose what we connect to.
            lookup = self._pool_lookup(pool, next_hop)
            prefer = "" if host == pool else host
            return [
                Target(
                    "pool",
                    routes.request_uri,
                    lookup=lookup,
                    pool=pool,
                    prefer_host=prefer,
                )
            ]
        if self._default is not None and host == self._default.host:
            return [Target("default", routes.request_uri, lookup=self._default)]
        return Refusal(403, "", (self._why("foreign domain"),))

    def for_us(self, request: Request, uri: SipUri) -> Decision | None:
        """OPTIONS to the proxy itself is answered (section 11)."""
        if uri.user is not None or not self._is_ours(uri):
            return None
        if request.method == b"OPTIONS":
            return Refusal(
                200, "", (ALLOW, b"Supported: ms-benotify", b"Accept: application/sdp")
            )
        if self._default is not None:
            return None
        return Refusal(405, "", (ALLOW,))

    def by_endpoint(
        self, request: Request, routes: RouteSet, uri: SipUri
    ) -> Decision | None:
        """A legacy URI of the endpoint table goes to its pool."""
        endpoint = self.table.endpoints.get(uri.key)
        if endpoint is None:
            return None
        if endpoint.state == "retired":
            return Refusal(410, endpoint.retired_text or "Gone", (), endpoint.key)
        pool = endpoint.pool_fqdn
        if endpoint.canary is not None:
            pool = pool_for(endpoint, request.from_aor())
        return [
            Target(
                "endpoint",
                request_uri_for(endpoint.request_uri, routes.request_uri, pool),
                lookup=self._pool_lookup(pool, uri),
                endpoint=endpoint.key,
                pool=pool,
                tag=self.table.tags[endpoint.key],
            )
        ]

    def by_pool(self, routes: RouteSet, uri: SipUri) -> Decision | None:
        """A URI at a pool or one of its front ends keeps its Request-URI."""
        pool = self._pool_of(uri.host)
        if not pool:
            return None
        return [
            Target(
                "pool",
                routes.request_uri,
                lookup=self._pool_lookup(pool, uri),
                pool=pool,
                prefer_host="" if uri.host == pool else uri.host,
            )
        ]

    def by_learned_uri(self, routes: RouteSet, uri: SipUri) -> Decision | None:
        """A service URI that a pool handed out, or that an endpoint names."""
        if uri.user is None:
            return None
        learned = self.table.learned.get(uri.key)
        if learned is not None:
            pool, endpoint = learned.pool_fqdn, learned.endpoint_key
        else:
            named = self.table.endpoint_by_service_uri(uri.key)
            if named is None:
                return None
            pool, endpoint = named.pool_fqdn, named.key
        return [
            Target(
                "learned",
                routes.request_uri,
                lookup=self._pool_lookup(pool, uri),
                endpoint=endpoint,
                pool=pool,
                tag=self.table.tags.get(endpoint, NO_ENDPOINT),
            )
        ]

    def by_binding(self, uri: SipUri, now: float) -> Decision | None:
        """Somebody has registered: its contacts one after the other, best first."""
        bindings = self.location.live(uri.key, now)
        if not bindings:
            return None
        return [self._contact_target(binding) for binding in bindings]

    def _contact_target(self, binding: Binding) -> Target:
        """By the flow it registered over while that is open, else by its URI."""
        routes = binding.routes
        flow: Flow | None = None
        if binding.flow:
            token = self.tokens.open(binding.flow)
            flow = self.tokens.flow_of(token) if token else None
        if flow is not None:
            return Target("binding", binding.uri, flow=flow, routes=routes)
        next_hop = parse_name_addr(routes[0]).uri if routes else binding.uri
        lookup = lookup_of(parse_uri(next_hop))
        return Target("binding", binding.uri, lookup=lookup, routes=routes)

    def by_default(self, routes: RouteSet) -> Decision | None:
        """Everything that is not ours goes to the configured next hop."""
        if self._default is None:
            return None
        return [Target("default", routes.request_uri, lookup=self._default)]

    def nowhere(self, uri: SipUri) -> Refusal:
        """No rule fits: 404 in a domain of ours, 403 for the rest of the world."""
        if self._is_ours(uri) or uri.host in self.identity.domains:
            return Refusal(404, "", (self._why("no such user"),))
        return Refusal(403, "", (self._why("foreign domain"),))

    # -- what the rules ask ------------------------------------------------------

    def _is_from_caller(self, request: Request, routes: RouteSet, flow: Flow) -> bool:
        """Which way a request inside a dialog travels.

        The caller's tag tells; where a peer mangles tags, the flow does.
        """
        if routes.caller == caller_mark(request.from_tag()):
            return True
        to_tag = request.to_tag()
        if to_tag is not None and routes.caller == caller_mark(to_tag):
            return False
        assert routes.token is not None
        return self.tokens.flow_of(routes.token) is flow

    def _is_ours(self, uri: SipUri) -> bool:
        identity = self.identity
        return identity.is_own_uri(uri) or (
            uri.port is None and uri.host in identity.domains
        )

    def _pool_of(self, host: str) -> str:
        """The pool that ``host`` is, or is a front end of; empty for neither."""
        pool = self.table.pools.get(host)
        return pool.fqdn.lower() if pool else self.front_ends.get(host, "")

    def _pool_lookup(self, fqdn: str, uri: SipUri) -> Lookup:
        key = (fqdn, uri.scheme)
        lookup = self._lookups.get(key)
        if lookup is None:
            pool = self.table.pool(fqdn) or Pool(fqdn)
            lookup = self._lookups[key] = Lookup(
                pool.fqdn.lower(), pool.port, pool.transport, uri.scheme == "sips"
            )
        return lookup

    def _why(self, cause: str) -> bytes:
        return diagnostics(cause, self.settings.source)
