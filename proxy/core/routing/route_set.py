"""Route information preprocessing (RFC 3261 section 16.4).

It takes our own entries off the top of the Route set, reads what they tell us, and
undoes strict routing.  It does not change the request; forwarding does that.
"""

from proxy.core.routing.identity import Identity
from proxy.core.tokens import FLOW, MIN_TOKEN, PROBE, FlowToken, TokenBox
from proxy.sip.fields import parse_name_addr, parse_routes
from proxy.sip.grammar import COMMA
from proxy.sip.message import Request
from proxy.sip.native import mypyc_attr
from proxy.sip.uri import SipUri, parse_uri


@mypyc_attr(acyclic=True, free_list_len=1)
class RouteSet:
    """What section 16.4 leaves: the Request-URI to work with and the Route entries.

    ``entries`` are the remaining Route values as written.  ``token`` comes from the
    user part of our own entry, and ``own_user`` is that user part.  ``caller`` is the
    caller's mark in an old Record-Route of ours, else None (``dialogs/rules.py``).
    ``claims_token`` is True when an entry of ours had a user part, valid or not.
    ``wanted_flow`` is the token by which another node names the contact that it wants
    of us.  ``probe`` is the token of a chat probe of our own.
    """

    __slots__ = (
        "caller",
        "claims_token",
        "entries",
        "has_changed",
        "own_user",
        "probe",
        "request_uri",
        "token",
        "wanted_flow",
    )

    def __init__(self, request_uri: bytes) -> None:
        self.request_uri = request_uri
        self.entries: list[bytes] = []
        self.has_changed = False
        self.token: FlowToken | None = None
        self.caller: bytes | None = None
        self.claims_token = False
        self.own_user = b""
        self.wanted_flow = b""
        self.probe: FlowToken | None = None

    def first_uri(self) -> SipUri | None:
        """The URI of the next Route entry; raises MalformedMessage."""
        if not self.entries:
            return None
        return parse_uri(parse_name_addr(self.entries[0]).uri)


def is_for_registrar(routes: RouteSet, identity: Identity) -> bool:
    """True when the Request-URI of a REGISTER names us or a domain of ours
    (section 10.3 item 1)."""
    if routes.entries:
        return False
    uri = parse_uri(routes.request_uri)
    return uri.host in identity.domains or identity.is_own_uri(uri)


def read_routes(request: Request, identity: Identity, tokens: TokenBox) -> RouteSet:
    """Section 16.4 for ``request``; raises MalformedMessage for unreadable entries."""
    routes = RouteSet(request.uri)
    position = request.index.get("route")
    if position is None:  # no Route, as in nearly every request outside dialogs
        return routes
    line = request.lines[position]
    # A strict router moves our Route entry into the Request-URI.  Only a user part as
    # long as a token can be one.
    is_strict = request.uri.find(b"@") >= MIN_TOKEN
    is_single = COMMA not in line and request.count("route") == 1
    if is_single:
        known = None if is_strict else tokens.routes.get(line)
        if known is not None and request.to_tag() is not None:
            routes.token, routes.own_user = known
            routes.has_changed = routes.claims_token = True
            return routes
        routes.entries = [line[line.find(b":") + 1 :].strip()]
    else:
        routes.entries = parse_routes(request.values("route"))
    if is_strict:
        _undo_strict_routing(routes, identity, tokens)
    _pop_own_entries(routes, identity, tokens)
    if routes.token is not None and request.to_tag() is None:
        # Without a To tag this is no dialog, so a token from an earlier call does not
        # count.
        routes.token = routes.caller = None
        routes.claims_token = False
    elif is_single and not is_strict:
        _remember(routes, line, tokens)
    return routes


def _remember(routes: RouteSet, line: bytes, tokens: TokenBox) -> None:
    """Remember a Route line that is one token of a dialog and nothing else.

    All requests of a dialog have the same line, and so have all dialogs between the
    same two places.
    """
    token = routes.token
    if (
        token is not None
        and token.is_of_dialog
        and not routes.entries
        and not routes.wanted_flow
        and routes.probe is None
    ):
        tokens.keep_route(line, token, routes.own_user)


def _undo_strict_routing(
    routes: RouteSet, identity: Identity, tokens: TokenBox
) -> None:
    """Section 16.4: a strict router before us has put our Record-Route value into the
    Request-URI; take it out and put the last Route value in its place."""
    uri = routes.request_uri
    start = 5 if uri.startswith(b"sips:") else 4
    if (
        not routes.entries
        or not uri.startswith((b"sip:", b"sips:"))
        or not identity.is_own_uri(parse_uri(uri))
        or not _take_token(routes, uri[start : uri.find(b"@")], tokens)
    ):
        routes.wanted_flow = b""
        return
    routes.request_uri = parse_name_addr(routes.entries.pop()).uri
    routes.has_changed = True


def _pop_own_entries(routes: RouteSet, identity: Identity, tokens: TokenBox) -> None:
    """Take our entries off the top: one, or two where the transport changes (decision
    4).

    A request that passes us twice in a row has two pairs.  The token of the last pair
    counts: in a request of the callee it is the one that leads to the caller, and in
    one of the caller either pair would do.
    """
    entries = routes.entries
    popped: bytes | None = None
    while entries:
        user = _own_user(entries[0], identity)
        if user is None:
            return
        del entries[0]
        routes.has_changed = True
        if not user or user == popped:
            continue
        popped = user
        if not _take_token(routes, user, tokens):
            routes.claims_token = not routes.wanted_flow


def _take_token(routes: RouteSet, user: bytes, tokens: TokenBox) -> bool:
    """Read the user part of an entry of ours; False when it opens no dialog.

    A token of a dialog stands alone.  In the old form (decision 11) a flow token is
    followed by a dot and the caller's mark.  A flow token that stands alone comes from
    another node.  It only chooses among the contacts of the callee, so a stranger gains
    nothing by one.
    """
    text, dot, caller = user.partition(b".")
    token = tokens.open(text)
    if token is None or (token.is_of_dialog and dot):
        return False
    if token.purpose == PROBE and not dot:
        routes.probe = token
        return True
    if not token.is_of_dialog and not dot:
        routes.wanted_flow = user
        return False
    if dot and token.purpose != FLOW:
        return False
    routes.token = token
    routes.caller = caller if dot else None
    routes.own_user = user
    routes.claims_token = True
    return True


def _own_user(entry: bytes, identity: Identity) -> bytes | None:
    """The user part of a Route entry of ours, empty without one; None if foreign."""
    if entry.startswith(b"<sip:"):
        user, at, rest = entry[5:].partition(b"@")
        if at and rest[: rest.find(b";")] in identity.own_tails:
            return user
    uri = parse_uri(parse_name_addr(entry).uri)
    if not identity.is_own_route(uri):
        return None
    return uri.user.encode() if uri.user else b""
