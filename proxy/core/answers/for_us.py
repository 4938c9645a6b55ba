"""What the proxy answers as a user agent server (RFC 3261 sections 8.2 and 11)."""

from typing import Final

from proxy.core.validation import ALLOW, Refusal, unsupported
from proxy.sip.message import Request

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
