"""Learns the service URI from the one body that the proxy reads inside dialogs.

The lookup server answers ``cmd:requri`` with an INFO whose XCCOS body carries
``rpl:requri`` and, in ``uib``, the URI that the client will INVITE next.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.core.commands import LearnUri, RefuseUri
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.router import Router
from proxy.core.routing.target import Target
from proxy.core.tokens import TO_CALLER, FlowToken, host_mark
from proxy.endpoints.table import MOST_LEARNED
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri

REFUSALS: Final = {
    "endpoint": "it is an endpoint",
    "other endpoint": "it is a service URI of another endpoint",
    "user": "it is a user of the registrar",
    "registered": "somebody is registered as it",
    "limit": f"its endpoint has {MOST_LEARNED} service URIs of its pool already",
}

_URI: Final = re.compile(rb"<uib\s[^<>]*?\buri\s*=\s*[\"']([^\"']{1,1024})[\"']")


def learned_uri(body: bytes, domains: frozenset[str]) -> str | None:
    """The URI handed out in ``rpl:requri``, if it is in a domain that we serve.

    A URI in another domain names its own host, so it need not be learned.
    """
    match = _URI.search(body)
    if match is None:
        return None
    from html import unescape  # its table of names is large, and this is rare

    text = unescape(match[1].decode("utf-8", "replace")).strip()
    try:
        uri = parse_uri(text.encode())
    except MalformedMessage:
        return None
    if uri.user is None or uri.host not in domains:
        return None
    return text


def _is_front_end(token: FlowToken, flow: Flow) -> bool:
    """True for the front end of the dialog, over the dialog's transport (decision 10).

    The source address of a datagram is easy to forge, so over UDP the port must agree
    too.
    """
    return (
        token.purpose == TO_CALLER
        and host_mark(flow.host) == token.peer
        and flow.transport == token.transport
        and (flow.reliable or flow.port == token.peer_port)
    )


def learn(
    router: Router,
    request: Request,
    routes: RouteSet,
    flow: Flow,
    target: Target,
    now: float,
) -> LearnUri | RefuseUri | None:
    """Learn from an ``rpl:requri`` that a pool sends inside a dialog of an endpoint.

    The client INVITEs the URI within milliseconds, so the router knows it at once, and
    the shell saves it afterwards.
    """
    if target.rule != "client" or b"rpl:requri" not in request.body:
        return None
    token = routes.token
    if token is None or not _is_front_end(token, flow):
        return None
    endpoint = router.table.by_tag.get(token.endpoint_tag)
    pool = router.front_ends.get(flow.host, "")
    uri = learned_uri(request.body, router.settings.domains)
    if endpoint is None or pool not in endpoint.pools or uri is None:
        return None
    reason = why_not(router, parse_uri(uri.encode()).key, endpoint.key, pool, now)
    if reason == "endpoint":
        return None  # the lookup server names its own address, which we know
    if reason:
        router.uris_refused += 1
        return RefuseUri(uri, pool, endpoint.key, reason)
    if router.learn(uri, pool, endpoint.key):
        return LearnUri(uri, pool, endpoint.key)
    return None


def why_not(router: Router, key: str, endpoint_key: str, pool: str, now: float) -> str:
    """Why a URI must not be learned, a key of REFUSALS; empty when it may.

    What an operator or a user has set up counts more than what a server says (decision
    10).
    """
    table = router.table
    if key in table.endpoints:
        return "endpoint"
    named = table.endpoint_by_service_uri(key)
    known = table.learned.get(key, ())
    if named is not None and named.key != endpoint_key:
        return "other endpoint"
    for row in known:
        owner = row.endpoint_key
        if owner != endpoint_key and owner in table.endpoints:
            return "other endpoint"
    owned = router.owner_of(key, now)
    is_new = all(row.pool_fqdn != pool for row in known)
    if not owned and is_new and table.count_learned(endpoint_key, pool) >= MOST_LEARNED:
        return "limit"
    return owned
