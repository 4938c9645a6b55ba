"""Remote targets: where a dialog leads on each of its sides (RFC 3261 section 12).

An end of a dialog says in Contact where it is, and a proxy says so in Record-Route.
Behind a NAT, or with an ephemeral port, only the flow of its message leads there.  When
the message came through a proxy that does not record-route, the Contact counts and not
the flow (decision 6).
"""

from ipaddress import ip_address
from typing import Final

from proxy.core.dialogs.route_lines import where_said
from proxy.core.routing.identity import Identity
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import DEFAULT_PORT, Flow
from proxy.sip.grammar import COMMA, split_values
from proxy.sip.message import Request
from proxy.sip.uri import SipUri, parse_uri, port_of

_OWN_FLOW: Final = ("+sip.instance", "ob")
_KEPT: Final = 512
_LONGEST: Final = 256  # bytes of a value that is kept


class RemoteTarget:
    """One Contact or Record-Route value: its URI, and whether it asks for the flow
    that it came over (RFC 5626: an instance, or ``ob``)."""

    __slots__ = ("uri", "wants_flow")

    def __init__(self, uri: SipUri, wants_flow: bool = False) -> None:
        self.uri = uri
        self.wants_flow = wants_flow


_read: Final[dict[bytes, RemoteTarget]] = {}


def read_target(value: bytes) -> RemoteTarget:
    """The first of these values; raises MalformedMessage."""
    if COMMA in value:
        value = split_values(value)[0]
    address = parse_name_addr(value)
    uri = parse_uri(address.uri)
    wants_flow = "ob" in uri.parameters or any(
        name in address.parameters for name in _OWN_FLOW
    )
    return RemoteTarget(uri, wants_flow)


def nearest_line(request: Request) -> bytes:
    """What ``nearest`` reads, as far as it says where; empty when there is nothing."""
    index = request.index
    position = index.get("record-route", index.get("contact", 0))
    return where_said(request.lines[position]) if position else b""


def nearest(request: Request) -> RemoteTarget | None:
    """The next hop on the caller's side: the proxy that record-routed last, else the
    caller's Contact; None when neither can be read."""
    for name in ("record-route", "contact"):
        value = request.value(name)
        if value is not None:
            return target_in(value)
    return None


def target_in(value: bytes) -> RemoteTarget | None:
    """``read_target``; None where nothing can be read.

    A server writes the same Contact into all its messages, so what was read is kept.
    """
    target = _read.get(value)
    if target is None:
        try:
            target = read_target(value.strip())
        except MalformedMessage:
            return None
        if len(value) <= _LONGEST:
            if len(_read) >= _KEPT:
                _read.clear()
            _read[value] = target
    return target


def next_hop_name(uri: SipUri) -> str:
    """Host, port and transport in one spelling: what RFC 3263 makes of a URI.

    ``sip:h``, ``sip:h:5060`` and ``sip:h;transport=udp`` have the same name, because
    user agents write now one and now the other.
    """
    name = uri.hop
    if not name:
        transport = "tls" if uri.scheme == "sips" else uri.transport or "udp"
        name = uri.hop = f"{uri.target_host} {port_of(uri)} {transport}"
    return name


def is_senders_own(
    target: RemoteTarget, request: Request, back: Flow, identity: Identity
) -> bool:
    """True when the target is the sender itself, so that ``back``, the flow of the
    answers, leads there (decision 6).

    The rule is the registrar's (``register_request.comes_from``), with one addition:
    for a message that came through another proxy (a second Via), both address and port
    must agree.
    """
    via = request.via
    assert via is not None
    uri = target.uri
    if uri.host in identity.domains or identity.is_own_uri(uri):
        return True  # a GRUU, or the form of legacy clients: only the flow leads there
    host, port = uri.target_host, uri.port or DEFAULT_PORT[back.transport]
    if (host, port) == (back.host, back.port):
        return True
    hosts = (via.head.address, back.host)
    is_same_host = uri.host in hosts or host in hosts
    is_same_port = port == (via.head.port or DEFAULT_PORT[back.transport])
    if back.reliable and has_one_via(request):
        is_own = is_same_host or target.wants_flow
    else:
        is_own = is_same_host and is_same_port
    return is_own or leads_nowhere(host, back.host)


def is_answerers_own(
    target: RemoteTarget, flow: Flow, sent: str, front_end: str, identity: Identity
) -> bool:
    """True when the target is the one that answered a request over ``flow``, whose
    Request-URI led to the next hop ``sent``.

    ``front_end`` is the name of the server that was asked, empty for a client.
    """
    uri = target.uri
    if uri.host in identity.domains or identity.is_own_uri(uri):
        return True
    host = uri.target_host
    port = flow.alias_port or flow.port
    if uri.transport in (None, flow.transport) and (
        (host == flow.host and (uri.port or DEFAULT_PORT[flow.transport]) == port)
        or (host == front_end and uri.port in (None, port))
    ):
        return True
    if front_end:
        return False
    is_own = next_hop_name(uri) == sent
    if flow.reliable and not is_own:
        is_own = target.wants_flow or host in (flow.host, sent.partition(" ")[0])
    return is_own or leads_nowhere(host, flow.host)


def leads_nowhere(host: str, seen_from: str) -> bool:
    """True for a private address when the packets come from a public one (NAT)."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_private and not ip_address(seen_from.partition("%")[0]).is_private


def has_one_via(request: Request) -> bool:
    """True for a request that has passed no other proxy."""
    return (
        request.count("via") == 1 and COMMA not in request.lines[request.index["via"]]
    )
