"""What the rules of RFC 3261 section 16.5 decide: targets, a refusal, or to ask the
store."""

from collections.abc import Sequence
from typing import Final, Literal

from proxy.core.tokens import NO_ENDPOINT
from proxy.core.validation import Refusal
from proxy.pools.front_end import Lookup
from proxy.sip.flow import Flow
from proxy.sip.native import mypyc_attr

Rule = Literal[
    "dialog",
    "client",
    "endpoint",
    "pool",
    "learned",
    "contact",
    "binding",
    "default",
    "probe",
]


@mypyc_attr(acyclic=True)
class Target:
    """One destination: an existing flow, or a name to look up.

    ``request_uri`` is what the request will carry.  ``prefer_host`` is a front end
    (name or address) to try before the others, ``prefer`` one address to try first.
    ``tag`` goes into the flow token.  ``routes`` are Route values to put in front (the
    Path of a binding).  ``fallback`` is tried when nobody can be reached, or when a
    sibling no longer has the connection.  ``server_name`` is what the certificate of a
    numeric address must cover.  ``named_by`` is the address of the peer whose Contact
    has named this place, empty for a place of our own configuration.
    """

    __slots__ = (
        "endpoint",
        "fallback",
        "flow",
        "lookup",
        "named_by",
        "pool",
        "prefer",
        "prefer_host",
        "request_uri",
        "routes",
        "rule",
        "server_name",
        "tag",
    )

    def __init__(
        self,
        rule: Rule,
        request_uri: bytes,
        *,
        lookup: Lookup | None = None,
        flow: Flow | None = None,
        endpoint: str = "",
        pool: str = "",
        tag: bytes = NO_ENDPOINT,
        prefer_host: str = "",
        routes: Sequence[bytes] = (),
        named_by: str = "",
    ) -> None:
        self.rule: Rule = rule
        self.fallback: Target | None = None
        self.request_uri = request_uri
        self.lookup = lookup
        self.flow = flow
        self.endpoint = endpoint
        self.pool = pool
        self.tag = tag
        self.prefer_host = prefer_host
        self.routes = routes
        self.prefer: tuple[str, str, int] | None = None
        self.server_name = ""
        self.named_by = named_by


class Ask:
    """Not decided yet: the address is not in memory, but the store may know it."""

    __slots__ = ()


ASK: Final = Ask()
Decision = list[Target] | Refusal | Ask
