"""Where a request goes (RFC 3261 section 16.5): a short list of rules, in order.

Each rule is a method that returns targets, a refusal, or None when it does not apply.
The order is that of ``rule_order.py``, and operators rely on it: own Route first, then
ourselves, endpoints, pools, learned URIs, bindings, default route, and last a refusal.
"""

from collections.abc import Callable, Iterable, Sequence

from proxy.core.answers.for_us import about_us
from proxy.core.answers.replies import diagnostics
from proxy.core.first_hop import contact_token
from proxy.core.first_hop.affinity import Affinity
from proxy.core.routing.identity import Identity
from proxy.core.routing.learned_uris import (
    UnsavedUris,
    pool_of_caller,
    pool_of_user,
)
from proxy.core.routing.lookup import lookup_of
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.rule_order import ASKED, BEFORE_OURSELVES, Question
from proxy.core.routing.target import ASK, Decision, Target
from proxy.core.settings import CoreSettings
from proxy.core.siblings.nodes import Nodes
from proxy.core.tokens import NO_ENDPOINT, TokenBox
from proxy.core.validation import ALLOW, Refusal
from proxy.endpoints.model import Pool
from proxy.endpoints.request_uri import request_uri_for
from proxy.endpoints.table import EndpointTable
from proxy.location.binding import Binding
from proxy.location.service import LocationService, best_first
from proxy.pools.front_end import Lookup, Resolution
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import SipUri, parse_uri

DialogRule = Callable[["Router", Request, RouteSet, SipUri, Flow], "Decision | None"]
"""The first rule, for our own Route entry.  It asks the router, so the router cannot
import it and gets it as an argument (decision 102)."""
Kept = tuple[EndpointTable, dict[str, str], dict[tuple[str, str], Lookup]]


class Router:
    """The rules and what they look at.

    ``table`` is replaced when the endpoint table changes.  ``front_ends`` maps the name
    or address of each known front end to its pool.  ``default_lookup`` is that of the
    default route.  ``users`` are the addresses of the registrar's users.  ``is_alone``
    is True when no sibling and no other node can know more than we do.
    """

    __slots__ = (
        "_by_dialog",
        "_lookups",
        "_unsaved",
        "affinity",
        "default_lookup",
        "front_ends",
        "identity",
        "is_alone",
        "location",
        "nodes",
        "settings",
        "table",
        "tokens",
        "uris_refused",
        "users",
    )

    def __init__(
        self,
        settings: CoreSettings,
        identity: Identity,
        tokens: TokenBox,
        table: EndpointTable,
        affinity: Affinity,
        by_dialog: DialogRule,
    ) -> None:
        self.affinity = affinity
        self.settings = settings
        self.identity = identity
        self.tokens = tokens
        self.table = table
        self.location = LocationService()
        self.nodes = Nodes(tokens.node)
        self.front_ends: dict[str, str] = {}
        self.users: frozenset[str] = frozenset()
        self.uris_refused = 0
        self.is_alone = not settings.asks_store
        self._unsaved = UnsavedUris()
        self._lookups: dict[tuple[str, str], Lookup] = {}  # of pools, by scheme
        self._by_dialog = by_dialog
        default = settings.default_route
        self.default_lookup = lookup_of(parse_uri(default)) if default else None

    def swap_table(
        self, table: EndpointTable, resolutions: Iterable[Resolution]
    ) -> None:
        """Route by ``table`` from now on.

        Learned URIs that the store does not have yet stay: it may be a moment behind.
        """
        self._unsaved.settle(table)
        self.table = self._unsaved.joined(table)
        self.front_ends = {}
        self._lookups = {}
        for resolution in resolutions:
            self.learn_front_ends(resolution)

    def suppose(self, table: EndpointTable, resolutions: Iterable[Resolution]) -> Kept:
        """Route by ``table`` until ``restore``, to ask what would be.  Both must happen
        in one turn of the loop, so that no real request is routed by it."""
        kept = self.table, self.front_ends, self._lookups
        self.table = self._unsaved.joined(table)
        self.front_ends, self._lookups = {}, {}
        for resolution in resolutions:
            self.learn_front_ends(resolution)
        return kept

    def restore(self, kept: Kept) -> None:
        """Route again by what was in force before ``suppose``."""
        self.table, self.front_ends, self._lookups = kept

    def learn(self, uri: str, pool: str, endpoint_key: str) -> bool:
        """``pool`` has handed out ``uri``; False when that was known already."""
        table = self._unsaved.note(self.table, uri, pool, endpoint_key)
        self.table = table or self.table
        return table is not None

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
        self,
        request: Request,
        routes: RouteSet,
        flow: Flow,
        now: float,
        found: Sequence[Binding] | None = None,
        notes: list[str] | None = None,
    ) -> Decision:
        """All rules in order; raises MalformedMessage for an unreadable URI.

        ``found`` are the bindings that the store has; None when it was not asked, and
        the decision may be ``ASK`` then.  ``notes``, an empty list, gets the rules that
        did not apply, so that ``decided_by`` can name the one that decided.
        """
        uri = parse_uri(routes.request_uri)
        # Validation lets Max-Forwards 0 pass only where we may be meant ourselves.
        if request.hops == 0:
            decision = self.for_us(request, uri)
            if notes is not None:
                notes += BEFORE_OURSELVES
            return Refusal(483) if decision is None else decision
        question = Question(request, routes, uri, flow, now, found)
        for rule in ASKED:
            decision = self._ask(rule, question)
            if decision is not None:
                return decision
            if notes is not None:
                notes.append(rule)
        return self.nowhere(uri)

    def _ask(self, rule: str, q: Question) -> Decision | None:
        """One rule; None when it has nothing to say."""
        if rule == "dialog":
            return self._by_dialog(self, q.request, q.routes, q.uri, q.flow)
        if rule == "route":
            return self.by_foreign_route(q.request, q.routes, q.flow)
        if rule == "ourselves":
            return self.for_us(q.request, q.uri)
        if rule == "endpoint":
            return self.by_endpoint(q.request, q.routes, q.uri)
        if rule == "pool":
            return self.by_pool(q.routes, q.uri)
        if rule == "learned":
            return self.by_learned_uri(q)
        if rule == "contact":
            return self.by_contact(q.routes, q.uri)
        if rule == "binding":
            return self.by_binding(q.routes, q.uri, q.now)
        if rule == "store":
            return self.by_store(q.routes, q.uri, q.found)
        return self.by_default(q.request, q.routes, q.flow)

    # -- rules -------------------------------------------------------------------

    def by_foreign_route(
        self, request: Request, routes: RouteSet, flow: Flow
    ) -> Decision | None:
        """A Route that we did not hand out is not followed: we are no open relay."""
        next_hop = routes.first_uri()
        if next_hop is None:
            return None
        host = next_hop.target_host
        pool = self.pool_of(host)
        if pool:
            # Use the pool's own addresses and not the port of the entry: a stranger
            # must not choose what we connect to.
            return self._at_pool(pool, host, routes, next_hop)
        if self.default_lookup is not None and host == self.default_lookup.host:
            return self.by_default(request, routes, flow)
        return Refusal(403, "", (self.why("foreign domain"),))

    def for_us(self, request: Request, uri: SipUri) -> Decision | None:
        """OPTIONS to the proxy itself is answered (section 11)."""
        if uri.user is not None or not self.is_ours(uri):
            return None
        if request.method == b"OPTIONS":
            return about_us(request)
        if self.default_lookup is not None and uri.host in self.identity.domains:
            return None  # the default route may serve the domain: REGISTER, SERVICE
        return Refusal(405, "", (ALLOW,))

    def by_endpoint(
        self, request: Request, routes: RouteSet, uri: SipUri
    ) -> Decision | None:
        """A URI of the endpoint table goes to the pool of its endpoint."""
        endpoint = self.table.endpoints.get(uri.key)
        if endpoint is None:
            return None
        if endpoint.state == "retired":
            return Refusal(410, endpoint.retired_text or "Gone", (), endpoint.key)
        pool = pool_of_user(endpoint, request)
        return [
            Target(
                "endpoint",
                request_uri_for(endpoint.request_uri, routes.request_uri, pool),
                lookup=self.pool_lookup(pool, uri),
                endpoint=endpoint.key,
                pool=pool,
                tag=self.table.tags[endpoint.key],
            )
        ]

    def by_pool(self, routes: RouteSet, uri: SipUri) -> Decision | None:
        """A URI at a pool or one of its front ends keeps its Request-URI."""
        pool = self.pool_of(uri.host)
        return self._at_pool(pool, uri.host, routes, uri) if pool else None

    def _at_pool(
        self, pool: str, host: str, routes: RouteSet, uri: SipUri
    ) -> list[Target]:
        """To a pool, and there first to the front end that ``host`` names, if any."""
        lookup, prefer = self.pool_lookup(pool, uri), "" if host == pool else host
        request_uri = routes.request_uri
        return [
            Target("pool", request_uri, lookup=lookup, pool=pool, prefer_host=prefer)
        ]

    def by_learned_uri(self, q: Question) -> Decision | None:
        """A service URI that a pool handed out, or that an endpoint names.

        Two pools may have handed out the same URI: it leads to the one that the
        caller's calls to the endpoint go to (decision 121).  The address of a user
        stays the user's, whatever a pool hands out.
        """
        uri = q.uri
        if uri.user is None:
            return None
        rows = self.table.learned.get(uri.key)
        if rows is not None and not self.owner_of(uri.key, q.now):
            endpoint = rows[0].endpoint_key
            pool = pool_of_caller(self.table, q.request, rows)
            if not pool:
                if q.found is None and not self.is_alone:
                    return ASK  # another process may have learned it from that pool
                pool = rows[0].pool_fqdn
        else:
            named = self.table.endpoint_by_service_uri(uri.key)
            if named is None:
                return None
            pool, endpoint = pool_of_user(named, q.request), named.key
        return [
            Target(
                "learned",
                q.routes.request_uri,
                lookup=self.pool_lookup(pool, uri),
                endpoint=endpoint,
                pool=pool,
                tag=self.table.tags.get(endpoint, NO_ENDPOINT),
            )
        ]

    def by_binding(self, routes: RouteSet, uri: SipUri, now: float) -> Decision | None:
        """The contacts of a registered address, one after the other, best first.

        A request from another node is for the one contact whose flow this node has.
        """
        bindings = self.location.live(uri.key, now)
        if routes.wanted_flow:
            bindings = [b for b in bindings if b.flow == routes.wanted_flow]
            if not bindings:
                return Refusal(480, "", (self.why("flow gone"),))
        if not bindings:
            return None
        return [
            self.nodes.contact_target(binding, routes, self.tokens)
            for binding in bindings
        ]

    def by_store(
        self, routes: RouteSet, uri: SipUri, found: Sequence[Binding] | None
    ) -> Decision | None:
        """The address may have been registered at another proxy a moment ago."""
        if found:
            return [
                self.nodes.contact_target(each, routes, self.tokens)
                for each in best_first(found)
            ]
        if (
            found is None
            and self.settings.asks_store
            and uri.user is not None
            and uri.host in self.identity.domains
        ):
            return ASK
        return None

    def by_contact(self, routes: RouteSet, uri: SipUri) -> Decision | None:
        """A Contact that we, or another node, gave a first-hop client (decision 50)."""
        token = contact_token.token_of(uri, self.tokens)
        if token is None or uri.user is None:
            return None
        if not routes.wanted_flow:
            text = uri.user.partition(contact_token.MARK)[0].encode()
            there = self.nodes.towards_contact(routes.request_uri, text, token)
            if there is not None:
                return [there]
        flow = self.tokens.flow_of(token)
        if flow is None:
            return Refusal(480, "", (self.why("flow gone"),))
        return [Target("contact", contact_token.client_uri(uri, flow), flow=flow)]

    def by_default(
        self, request: Request, routes: RouteSet, flow: Flow
    ) -> Decision | None:
        """Everything else goes to the configured next hop, and a first-hop client's
        REGISTER to the home that the next hop has named (decision 52)."""
        lookup = self.default_lookup
        if lookup is None:
            return None
        if request.method == b"REGISTER":
            if flow.first_hop:
                lookup = self.affinity.home_of(request.from_aor()) or lookup
            elif contact_token.asks_for_replacement(request):
                return contact_token.not_the_first_hop(self.settings.source)
        return [Target("default", routes.request_uri, lookup=lookup)]

    def nowhere(self, uri: SipUri) -> Refusal:
        """No rule applies: 404 in a domain of ours, 403 for any other domain."""
        if self.is_ours(uri) or uri.host in self.identity.domains:
            return Refusal(404, "", (self.why("no such user"),))
        return Refusal(403, "", (self.why("foreign domain"),))

    # -- what the rules ask ------------------------------------------------------

    def owner_of(self, key: str, now: float) -> str:
        """What an address belongs to: a "user", a "registered" one, or empty."""
        if key in self.users:
            return "user"
        return "registered" if self.location.live(key, now) else ""

    def is_ours(self, uri: SipUri) -> bool:
        """True for our own address, and for a user of a domain that we serve."""
        identity = self.identity
        return identity.is_own_uri(uri) or (
            uri.port is None and uri.host in identity.domains
        )

    def pool_of(self, host: str) -> str:
        """The pool that ``host`` is, or is a front end of; empty for neither."""
        pool = self.table.pools.get(host)
        return pool.fqdn.lower() if pool else self.front_ends.get(host, "")

    def pool_lookup(self, fqdn: str, uri: SipUri) -> Lookup:
        """The question to DNS for a pool."""
        key = (fqdn, uri.scheme)
        lookup = self._lookups.get(key)
        if lookup is None:
            pool = self.table.pool(fqdn) or Pool(fqdn)
            lookup = self._lookups[key] = Lookup(
                pool.fqdn.lower(), pool.port, pool.transport, uri.scheme == "sips"
            )
        return lookup

    def why(self, cause: str) -> bytes:
        """The ms-diagnostics line for a refusal."""
        return diagnostics(cause, self.settings.source)
