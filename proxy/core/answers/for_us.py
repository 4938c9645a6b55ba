"""What the proxy answers as a user agent server (RFC 3261 sections 8.2 and 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.core.routing.routes import read_routes
from proxy.core.validation import ALLOW, Refusal, unsupported
from proxy.sip.errors import MalformedMessage
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri

if TYPE_CHECKING:
    from proxy.core.proxy import ProxyCore

REQUIRE: Final = frozenset({"ms-benotify"})
"""Option tags that an OPTIONS to us may require, and that its 200 names."""
_ABOUT_US: Final = (ALLOW, b"Supported: ms-benotify", b"Accept: application/sdp")


def about_us(request: Request) -> Refusal:
    """The answer to an OPTIONS for the proxy itself."""
    if "require" in request.index:  # section 8.2.2.3
        refusal = unsupported(request, "require", REQUIRE)
        if refusal is not None:
            return refusal
    return Refusal(200, "", _ABOUT_US)


def is_for_us(core: ProxyCore, request: Request) -> bool:
    """True for what we answer ourselves, and do not forward."""
    if request.method == b"CANCEL":  # section 16.10
        return True
    try:
        routes = read_routes(request, core.identity, core.tokens)
        if request.method == b"REGISTER" and core.registrar is not None:
            return core.registrar.is_addressed(routes)
        uri = parse_uri(routes.request_uri)
    except MalformedMessage:
        return False
    if routes.entries and request.hops != 0:
        return False
    return core.router.for_us(request, uri) is not None
