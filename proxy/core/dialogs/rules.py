"""Where a request inside a dialog goes: to the other end of it, and nowhere else.

The token in our Route entry names the other end (``record_route.py``).  We believe
Request-URI and Route only as far as they agree with it.  So the holder of a token may
reach that one end again, from anywhere and with any method, and nobody else.

There are two exceptions, one for each end that moves (a target refresh, RFC 3261
section 12.2).  When the caller has told the callee of a new place, a request from where
the callee is may name that place (decision 7).  When the callee moves, we mark its new
Contact (``moves.py``), so that the caller may follow (decision 8).
"""

from __future__ import annotations

from proxy.core.dialogs.moves import PARAMETER, is_at, is_callee, take_off
from proxy.core.dialogs.remote_targets import leads_nowhere, next_hop_name
from proxy.core.first_hop import contact_token
from proxy.core.routing.lookup import lookup_of
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.router import Router
from proxy.core.routing.secure import is_sips, not_secure
from proxy.core.routing.target import Decision, Rule, Target
from proxy.core.tokens import (
    CLIENT,
    DIRECT,
    NO_NAME,
    TO_CALLEE,
    TO_CALLER,
    FlowToken,
    caller_mark,
)
from proxy.core.validation import Refusal
from proxy.endpoints.request_uri import request_uri_for
from proxy.pools.front_end import Lookup
from proxy.sip.flow import DEFAULT_PORT, Flow
from proxy.sip.message import Request
from proxy.sip.uri import SipUri


def by_dialog(
    router: Router, request: Request, routes: RouteSet, uri: SipUri, flow: Flow
) -> Decision | None:
    """A request with our token in its Route goes to the end that the token names."""
    token = routes.token
    if token is None:
        if routes.claims_token:
            return Refusal(403, "", (router.why("stale route"),))
        return None
    if token.purpose == TO_CALLEE:
        return _to_callee(router, routes, uri, token)
    if token.purpose == TO_CALLER:
        return _to_caller(router, request, routes, uri, token, flow)
    return _old_dialog(router, request, routes, uri, token, flow)


# -- towards the callee ------------------------------------------------------------


def _to_callee(
    router: Router, routes: RouteSet, uri: SipUri, token: FlowToken
) -> Decision | None:
    if not routes.entries:
        if contact_token.token_of(uri, router.tokens) is not None:
            return None  # a Contact of ours has a rule of its own (``by_contact``)
        if PARAMETER in uri.parameters:
            uri, token = take_off(router, routes, uri, token)
        endpoint = router.table.endpoints.get(uri.key)
        if endpoint is not None:
            # The callee gave no Contact, or one with the dialled address: write the
            # Request-URI as in the first request.
            pool = router.front_ends.get(token.host, endpoint.pool_fqdn)
            request_uri = request_uri_for(
                endpoint.request_uri, routes.request_uri, pool
            )
            return _callee(router, routes, uri, token, request_uri)
    next_hop = routes.first_uri() or uri
    is_named = router.tokens.is_named(token, next_hop_name(next_hop))
    if (is_named and token.way & DIRECT) or is_at(token, next_hop):
        return _callee(router, routes, next_hop, token, routes.request_uri, is_named)
    if token.way & CLIENT and token.way & DIRECT and not routes.entries:
        # A client may name another port as time goes by.  It is still at the end of its
        # connection, and only there.
        host = next_hop.target_host
        if host == token.host or leads_nowhere(host, token.host):
            return _callee(router, routes, next_hop, token, routes.request_uri)
    if not routes.entries and router.is_ours(uri) and uri.target_host == uri.host:
        return _callee(router, routes, uri, token, routes.request_uri)
    is_pool = next_hop.port is None and next_hop.target_host in router.table.pools
    if is_named and not is_pool:
        return [_named("dialog", routes, next_hop, token)]
    return _pool(router, "dialog", routes, next_hop, token) or _foreign(router)


def _callee(
    router: Router,
    routes: RouteSet,
    next_hop: SipUri,
    token: FlowToken,
    request_uri: bytes,
    is_named: bool = False,
) -> Decision:
    """To the place that answered: the flow of a client, or the address of a server."""
    if token.way & CLIENT:
        named = None
        if is_named and not router.is_ours(next_hop):
            named = _named("client", routes, next_hop, token)
        return _down_flow(router, routes, token, request_uri, named)
    transport = token.transport
    # Section 18.1.1: a large request may take TCP instead of UDP.
    fixed = None if transport == "udp" and next_hop.transport != "udp" else transport
    sips = next_hop.scheme == "sips"
    lookup = token.lookup
    if lookup is None or lookup.transport != fixed or lookup.sips != sips:
        lookup = token.lookup = Lookup(token.host, token.port, fixed, sips)
    target = Target("dialog", request_uri, lookup=lookup, tag=token.endpoint_tag)
    if transport == "tls":
        target.server_name = _server_name(router, next_hop, token)
    return [target]


def _server_name(router: Router, next_hop: SipUri, token: FlowToken) -> str:
    """What the certificate of the callee's server must cover (RFC 5922)."""
    pool = router.front_ends.get(token.host, "")
    if pool:
        return pool
    endpoint = router.table.by_tag.get(token.endpoint_tag)
    if endpoint is not None:
        return endpoint.pool_fqdn.lower()
    host = next_hop.target_host
    if router.default_lookup is not None and (
        router.is_ours(next_hop) or host == token.host
    ):
        return router.default_lookup.host
    return host


# -- towards the caller ------------------------------------------------------------


def _to_caller(
    router: Router,
    request: Request,
    routes: RouteSet,
    uri: SipUri,
    token: FlowToken,
    flow: Flow,
) -> Decision:
    tokens = router.tokens
    next_hop = routes.first_uri() or uri
    is_own = not routes.entries and router.is_ours(uri)
    is_named = tokens.is_named(token, next_hop_name(next_hop))
    is_believed = is_named or (not is_own and is_callee(router, request, token, flow))
    named = _named("client", routes, next_hop, token) if is_believed else None
    port = next_hop.port or DEFAULT_PORT[token.transport]
    if (
        # The callee writes what the caller dialled, or the caller had no Contact.
        is_own
        or token.name == NO_NAME
        # The next hop that the token marks is the caller's own flow (decision 6).
        or (is_named and token.way & DIRECT)
        # It has moved to an address behind a NAT, which only its flow can reach.
        or (not is_named and leads_nowhere(next_hop.target_host, token.host))
        # It is the far end of the flow itself.
        or (next_hop.target_host, port) == (token.host, token.port)
    ):
        return _down_flow(router, routes, token, routes.request_uri, named, uri)
    if named is not None:
        # If nobody answers at the named place, the caller may still be at the other
        # end of its flow.
        own_flow = tokens.flow_of(token)
        if own_flow is not None and token.way & DIRECT:
            named.fallback = Target(
                "client", routes.request_uri, flow=own_flow, tag=token.endpoint_tag
            )
        return [named]
    pool = _pool(router, "client", routes, next_hop, token)
    if pool is None and token.way & DIRECT:
        return _down_flow(router, routes, token, routes.request_uri, None, uri)
    return pool or _foreign(router)


def _down_flow(
    router: Router,
    routes: RouteSet,
    token: FlowToken,
    request_uri: bytes,
    named: Target | None,
    uri: SipUri | None = None,
) -> Decision:
    """To the flow that the token names, here or at another node; to ``named`` when that
    flow is gone."""
    elsewhere = router.nodes.of_dialog(routes, token)
    if elsewhere is not None:
        return [elsewhere]
    tokens = router.tokens
    flow = tokens.flow_of(token)
    if flow is None:
        pool = router.front_ends.get(token.host, "")
        if named is None and pool:
            # A server that has closed its connection can be connected to again.
            found = router.pool_lookup(pool, uri) if uri is not None else Lookup(pool)
            named = Target(
                *("client", request_uri), lookup=found, tag=token.endpoint_tag
            )
            named.prefer_host = token.host
        return [named] if named else Refusal(480, "", (router.why("flow gone"),))
    if uri is not None and contact_token.token_of(uri, tokens) is not None:
        request_uri = contact_token.client_uri(uri, flow)
    target = Target("client", request_uri, flow=flow, tag=token.endpoint_tag)
    if tokens.is_elsewhere(flow):
        target.fallback = named
    return [target]


# -- what both ask -----------------------------------------------------------------


def _named(rule: Rule, routes: RouteSet, next_hop: SipUri, token: FlowToken) -> Target:
    """To the place that the next hop of the dialog has named."""
    return Target(
        *(rule, routes.request_uri),
        lookup=lookup_of(next_hop),
        tag=token.endpoint_tag,
        named_by=token.host,
    )


def _pool(
    router: Router, rule: Rule, routes: RouteSet, next_hop: SipUri, token: FlowToken
) -> Decision | None:
    """To a pool of ours or the default route, which any request may name.

    Their own addresses and ports count, and not the port that a stranger has written.
    """
    host = next_hop.target_host
    pool = router.pool_of(host)
    default = router.default_lookup
    if not pool and default is not None and host == default.host:
        if is_sips(routes.request_uri) and next_hop.scheme != "sips":
            return not_secure(router.settings.source)
        return [
            Target(rule, routes.request_uri, lookup=default, tag=token.endpoint_tag)
        ]
    if not pool:
        return None
    target = Target(
        rule,
        routes.request_uri,
        lookup=router.pool_lookup(pool, next_hop),
        pool=pool,
        tag=token.endpoint_tag,
        prefer_host="" if host == pool else host,
    )
    if host == pool:
        target.prefer = (token.transport, token.host, token.port)
    return [target]


def _foreign(router: Router) -> Refusal:
    return Refusal(403, "", (router.why("foreign domain"),))


# -- dialogs from before -----------------------------------------------------------


def _old_dialog(
    router: Router,
    request: Request,
    routes: RouteSet,
    uri: SipUri,
    token: FlowToken,
    flow: Flow,
) -> Decision | None:
    """A Record-Route of the old form has only the caller's flow (decision 11).

    It still leads there and to our pools.  Anything else gets 481, at which clients
    begin a new dialog.
    """
    is_callers = routes.caller == caller_mark(request.from_tag()) or (
        routes.caller != caller_mark(request.to_tag())
        and router.tokens.flow_of(token) is flow
    )
    if not is_callers:
        return _down_flow(router, routes, token, routes.request_uri, None, uri)
    next_hop = routes.first_uri() or uri
    if not routes.entries and router.is_ours(uri):
        return None
    return _pool(router, "dialog", routes, next_hop, token) or Refusal(
        481, "", (router.why("stale route"),)
    )
