"""The names of the rules of section 16.5 in their order, for whoever asks who decided.

``Router`` has the rules themselves, in this order.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.routing.routes import RouteSet
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
"""Nobody serves the address."""
ASKED: Final = RULES[:-1]
"""In this order; the last one has an answer for every request."""
BEFORE_OURSELVES: Final = RULES[: RULES.index("ourselves")]
"""What a request that may go no further is not asked."""


@mypyc_attr(acyclic=True, free_list_len=1)
class Question:
    """Where to?  What the rules are asked about one request."""

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
    """The rule that decided, after those that said nothing."""
    return RULES[len(notes)]
