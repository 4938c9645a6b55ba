"""The order of the routing rules (RFC 3261 section 16.5), by name.

``Router`` has the rules themselves.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.routing.route_set import RouteSet
from proxy.location.binding import Binding
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.sip.native import mypyc_attr
from proxy.sip.uri import SipUri

RULES: Final = (
    *("dialog", "route", "ourselves", "endpoint", "pool", "learned"),
    *("contact", "binding", "store", "default", "nowhere"),
)
NOWHERE: Final = RULES[-1]
"""The last rule, which refuses what no other rule took."""
ASKED: Final = RULES[:-1]
"""The rules that may have nothing to say, in order."""
BEFORE_OURSELVES: Final = RULES[: RULES.index("ourselves")]
"""The rules that are passed over for a request with Max-Forwards 0, which may only be
for ourselves."""


@mypyc_attr(acyclic=True, free_list_len=1)
class Question:
    """What the rules look at to decide about one request."""

    __slots__ = ("flow", "found", "now", "request", "routes", "uri")

    def __init__(
        self,
        request: Request,
        routes: RouteSet,
        uri: SipUri,
        flow: Flow,
        now: float,
        found: Sequence[Binding] | None,
    ) -> None:
        self.request = request
        self.routes = routes
        self.uri = uri
        self.flow = flow
        self.now = now
        self.found = found


def decided_by(notes: Sequence[str]) -> str:
    """The rule that decided; ``notes`` are those before it, which did not apply."""
    return RULES[len(notes)]
