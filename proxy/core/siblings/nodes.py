"""The other nodes: machines that share our store, key and name.

A client's connection is at one node.  A request for it that arrives at another is sent
there as SIP, with a Route that names that node alone and carries the flow token; the
node that is named sends it down the connection or refuses, and never on to a third.
"""

from collections.abc import Mapping
from typing import Final

from proxy.core.routing.lookup import lookup_of
from proxy.core.routing.routes import RouteSet
from proxy.core.routing.target import Target
from proxy.core.tokens import FlowToken, TokenBox
from proxy.location.binding import Binding
from proxy.pools.front_end import Lookup
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import Flow
from proxy.sip.uri import parse_uri

_SCHEME: Final = len(b"sip:")


class Nodes:
    """Where the other nodes are; ``own`` is our number, 0 when nodes have none."""

    __slots__ = ("_others", "own")

    def __init__(self, own: int) -> None:
        self.own = own
        self._others: dict[int, tuple[bytes, Lookup]] = {}

    def __len__(self) -> int:
        """How many other nodes are there now."""
        return len(self._others)

    def uris(self) -> list[str]:
        """Where the other nodes are, for display."""
        return sorted(uri.decode() for uri, _ in self._others.values())

    @property
    def leads(self) -> bool:
        """Whether this node speaks where one is enough: the lowest number alive."""
        return not self._others or self.own < min(self._others)

    def update(self, nodes: Mapping[int, str]) -> None:
        """These are there now, by number, each with the SIP URI that reaches it."""
        self._others = {
            number: (uri.encode(), lookup_of(parse_uri(uri.encode())))
            for number, uri in nodes.items()
            if number != self.own
        }

    def is_at(self, host: str) -> bool:
        """Whether one of them is at this numeric address."""
        return any(lookup.host == host for _, lookup in self._others.values())

    def of_dialog(self, routes: RouteSet, token: FlowToken) -> Target | None:
        """Inside a dialog: to the node that has the connection of its end.

        None when that is this node, or one that is gone.
        """
        other = self._others.get(token.node)
        if other is None or not routes.own_user:
            return None
        uri, lookup = other
        return Target(
            "client",
            routes.request_uri,
            lookup=lookup,
            tag=token.endpoint_tag,
            routes=[_route(routes.own_user, uri)],
        )

    def contact_target(
        self, binding: Binding, request: RouteSet, tokens: TokenBox
    ) -> Target:
        """By the flow it registered over while that is open, here or at another node;
        else by its URI."""
        routes = binding.routes
        flow: Flow | None = None
        if binding.flow:
            token = tokens.open(binding.flow)
            if token is not None:
                if not request.wanted_flow:
                    elsewhere = self.towards_contact(
                        request.request_uri, binding.flow, token
                    )
                    if elsewhere is not None:
                        return elsewhere
                flow = tokens.flow_of(token)
        if flow is not None:
            return Target("binding", binding.uri, flow=flow, routes=routes)
        next_hop = parse_name_addr(routes[0]).uri if routes else binding.uri
        lookup = lookup_of(parse_uri(next_hop))
        return Target("binding", binding.uri, lookup=lookup, routes=routes)

    def towards_contact(
        self, request_uri: bytes, flow: bytes, token: FlowToken
    ) -> Target | None:
        """To the node that has a registered contact's connection."""
        other = self._others.get(token.node)
        if other is None:
            return None
        uri, lookup = other
        return Target("binding", request_uri, lookup=lookup, routes=[_route(flow, uri)])


def _route(user: bytes, uri: bytes) -> bytes:
    return b"<sip:%b@%b;lr>" % (user, uri[_SCHEME:])
