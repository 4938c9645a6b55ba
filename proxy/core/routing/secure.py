"""``sips:`` stays ``sips:`` on every hop (RFC 3261 sections 16.6 and 26.2.2, RFC 5630).

A caller that dials ``sips:`` asks for TLS all the way.  A Contact, the default route or
a Route entry may say ``sip:`` and another transport.  The request counts: where TLS is
not possible, it is refused.
"""

from collections.abc import Collection
from typing import Final

from proxy.core.answers.replies import diagnostics
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.target import Target
from proxy.core.validation import Refusal
from proxy.pools.srv import is_numeric
from proxy.sip.flow import Flow

_S: Final = 0x73
_SMALL: Final = 0x20  # the bit that tells small letters from capitals


def is_sips(uri: bytes) -> bool:
    """Whether a URI that is known to be ``sip:`` or ``sips:`` is ``sips:``."""
    return uri[3] | _SMALL == _S


def must_be_secure(routes: RouteSet, target: Target) -> bool:
    """Whether the next hop must be TLS: because of the URI that was dialled, the URI
    that leaves, or the next Route entry."""
    if is_sips(routes.request_uri) or is_sips(target.request_uri):
        return True
    first = routes.first_uri() if routes.entries else None
    return first is not None and first.scheme == "sips"


def can_be_secure(
    target: Target, transports: Collection[str], pinned: str | None
) -> bool:
    """Whether ``target`` can be reached over TLS; narrows its look-up to TLS if so.

    ``pinned`` is the transport of the front end that a first-hop client is bound to.
    A port without a transport, or an address, means UDP (RFC 3263 section 4.1).
    """
    flow: Flow | None = target.flow
    if target.rule == "binding" and target.routes and not is_sips(target.request_uri):
        return False  # the proxy in the Path would see only sip:, and need not use TLS
    if flow is not None:
        return flow.transport == "tls"
    lookup = target.lookup
    assert lookup is not None
    if "tls" not in transports or pinned not in (None, "tls"):
        return False
    is_plain = lookup.transport in ("udp", "tcp")
    if target.pool:
        if is_plain and lookup.port is not None:
            return False
    elif not lookup.sips and lookup.transport != "tls":
        says_udp = lookup.port is not None or is_numeric(lookup.host)
        if is_plain or says_udp or target.rule == "binding":
            return False
    if not lookup.sips:
        target.lookup = lookup._replace(sips=True)
    return True


def not_secure(source: str) -> Refusal:
    """The refusal when there is no TLS hop (RFC 5630 section 5.3)."""
    warning = f'Warning: 380 {source} "SIPS Not Allowed"'
    cause = "sips: needs TLS on every hop, and there is none towards this address"
    line = diagnostics("not routable", source, cause=cause)
    return Refusal(480, "", (warning.encode(), line))
