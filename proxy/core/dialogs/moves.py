"""A callee that moves: we mark its new place in the Contact that names it (decision 8).

A target refresh (RFC 3261 section 12.2) changes the remote target of a dialog and not
its route set.  So the next request of the caller names a place that its Route token
does not know.  A caller may be anybody, so we do not believe it.  Instead we put a
token into the callee's new Contact, as the parameter ``wp`` of its URI.  It comes back
in the Request-URI, where we take it off again.  Contact is not among the signed fields,
and we leave it alone as long as the callee has not moved.
"""

from __future__ import annotations

from typing import Final

from proxy.core.dialogs.remote_targets import (
    RemoteTarget,
    has_one_via,
    is_answerers_own,
    is_senders_own,
    next_hop_name,
    target_in,
)
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.router import Router
from proxy.core.tokens import CLIENT, DIRECT, TO_CALLEE, TO_CALLER, FlowToken, host_mark
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import with_first_uri
from proxy.sip.flow import DEFAULT_PORT, Flow
from proxy.sip.limits import NO_LIMITS
from proxy.sip.message import Request, Response, parse_message
from proxy.sip.uri import SipUri, parse_uri

PARAMETER: Final = "wp"
_NAME: Final = b";wp="
REFRESHES: Final = frozenset({b"INVITE", b"UPDATE", b"SUBSCRIBE", b"NOTIFY", b"REFER"})
"""Methods that change the remote target (also RFC 3311, RFC 6665, RFC 3515)."""
_SENT_UP: Final = frozenset({b"INVITE", b"UPDATE", b"SUBSCRIBE"})

_IN_DIALOGS: Final = frozenset(
    b"ACK BYE INFO INVITE MESSAGE NOTIFY BENOTIFY OPTIONS PRACK REFER SUBSCRIBE"
    b" UPDATE SERVICE".split()
)
"""Methods that a callee may send to a place that only the callee has named."""


def is_callee(router: Router, request: Request, token: FlowToken, flow: Flow) -> bool:
    """True when a request comes from the callee of its dialog, or a server of its pool.

    A client of a first-hop listener does not count, because it may be anybody.  Other
    callees gain nothing by it (decision 7): we call any Contact that a user registers,
    and pools and the default route are the operator's own.
    """
    if token.way & CLIENT or request.method not in _IN_DIALOGS:
        return False
    if host_mark(flow.host) == token.peer:
        return True
    endpoint = router.table.by_tag.get(token.endpoint_tag)
    pool = router.front_ends.get(flow.host, "")
    return endpoint is not None and pool in endpoint.pools


def is_at(token: FlowToken, uri: SipUri) -> bool:
    """True for the address that answered, over the same transport."""
    transport = uri.transport
    port = uri.port or DEFAULT_PORT[token.transport]
    return (uri.target_host, port) == (token.host, token.port) and (
        transport is None or transport == token.transport
    )


def take_off(
    router: Router, routes: RouteSet, uri: SipUri, token: FlowToken
) -> tuple[SipUri, FlowToken]:
    """The Request-URI without our mark, and the token in the mark.

    Without a mark, or with a forged one, both are returned as they were.
    """
    text = uri.parameters.get(PARAMETER)
    moved = router.tokens.open(text) if text else None
    if moved is None or text is None or moved.purpose != TO_CALLEE:
        return uri, token
    if not router.tokens.is_named(moved, next_hop_name(uri)):
        return uri, token
    routes.request_uri = uri.raw.replace(_NAME + text, b"", 1)
    routes.own_user = text  # what another node has to know
    return parse_uri(routes.request_uri), moved


def mark_request(
    router: Router, request: Request, token: FlowToken, flow: Flow, back: Flow
) -> None:
    """Mark the Contact of a request that refreshes the callee's remote target."""
    position = request.index.get("contact")
    if (
        position is None
        or token.purpose != TO_CALLER
        or not has_one_via(request)
        or not is_callee(router, request, token, flow)
    ):
        return
    value = request.value("contact")
    target = target_in(value) if value else None
    if target is None or _is_known(router, target.uri):
        return
    is_own = is_senders_own(target, request, back, router.identity)
    if is_own and _is_where_it_was(token, flow):
        return
    line = _marked(router, request.lines[position], target, back, token, is_own)
    request.lines[position] = line


class Refresh:
    """Marks the answers to a caller's request: the callee may name a new place there.

    ``sent`` is the Request-URI that the callee got.
    """

    __slots__ = ("router", "sent", "token")

    def __init__(self, router: Router, token: FlowToken, sent: bytes) -> None:
        self.router = router
        self.token = token
        self.sent = sent

    def answered(self, data: bytes, flow: Flow) -> bytes:
        """The response ``data``, which came over ``flow``, with its Contact marked."""
        try:
            response = parse_message(data, NO_LIMITS)
        except MalformedMessage:
            return data
        position = response.index.get("contact")
        value = response.value("contact")
        target = target_in(value) if value else None
        if position is None or target is None or not isinstance(response, Response):
            return data
        router, token, uri = self.router, self.token, target.uri
        if (
            router.tokens.is_named(token, next_hop_name(uri))
            or is_at(token, uri)
            or _is_known(router, uri)
        ):
            return data
        server = "" if token.way & CLIENT else token.host
        sent = next_hop_name(parse_uri(self.sent))
        is_own = is_answerers_own(target, flow, sent, server, router.identity)
        line = _marked(router, response.lines[position], target, flow, token, is_own)
        response.lines[position] = line
        return response.serialise()


def refresh_of(
    router: Router, request: Request, routes: RouteSet, request_uri: bytes
) -> Refresh | None:
    """The marker for the answers to a request of the caller; None when they cannot move
    the callee."""
    token = routes.token
    if (
        token is None
        or token.purpose != TO_CALLEE
        or request.method not in _SENT_UP
        or routes.entries
    ):
        return None
    return Refresh(router, token, request_uri)


def _is_known(router: Router, uri: SipUri) -> bool:
    """Whether a request inside a dialog may name this place without a mark."""
    identity = router.identity
    return (
        uri.host in identity.domains
        or identity.is_own_uri(uri)
        or bool(router.pool_of(uri.target_host))
        or bool(uri.headers)
    )


def _is_where_it_was(token: FlowToken, flow: Flow) -> bool:
    return (
        host_mark(flow.host) == token.peer
        and flow.transport == token.transport
        and (flow.reliable or flow.port == token.peer_port)
    )


def _marked(
    router: Router,
    line: bytes,
    target: RemoteTarget,
    flow: Flow,
    token: FlowToken,
    is_own: bool,
) -> bytes:
    uri = target.uri
    if PARAMETER in uri.parameters:
        return line
    way = DIRECT | CLIENT if is_own else 0
    mark = router.tokens.towards_callee(
        flow, token.endpoint_tag, way, next_hop_name(uri)
    )
    return with_first_uri(line, uri.raw + _NAME + mark)
