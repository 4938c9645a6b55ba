"""The other nodes: machines that share our store, key and name (decision 63).

A client's connection is at one node.  Another node that gets a request for this client
sends it there as SIP, with a Route that names only that node and has the flow token.
The named node sends it over the connection or refuses it, and never sends it on to a
third one.
"""

from collections.abc import Mapping
from typing import Final

from proxy.core.routing.lookup import lookup_of
from proxy.core.routing.route_set import RouteSet
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
        """How many other nodes are alive now."""
        return len(self._others)

    def uris(self) -> list[str]:
        """The URIs of the other nodes, for display."""
        return sorted(uri.decode() for uri, _ in self._others.values())

    @property
    def leads(self) -> bool:
        """Whether this is the living node with the lowest number, which speaks where
        one is enough (decision 143)."""
        return not self._others or self.own < min(self._others)

    def update(self, nodes: Mapping[int, str]) -> None:
        """Take the nodes that are alive now: number → SIP URI that reaches the node."""
        self._others = {
            number: (uri.encode(), lookup_of(parse_uri(uri.encode())))
            for number, uri in nodes.items()
            if number != self.own
        }

    def is_at(self, host: str) -> bool:
        """Whether another node is at this numeric address."""
        return any(lookup.host == host for _, lookup in self._others.values())

    def of_dialog(self, routes: RouteSet, token: FlowToken) -> Target | None:
        """Inside a dialog: the node that has the connection of its end.

        None when that is this node, or one that is not alive.
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
        """The target for a contact: the flow that it registered over if that is open,
        here or at another node, else its URI."""
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
        # Of "tcp:[2001:db8::5]:40000".
        by = binding.source.partition(":")[2].rpartition(":")[0].strip("[]")
        return Target("binding", binding.uri, lookup=lookup, routes=routes, named_by=by)

    def towards_contact(
        self, request_uri: bytes, flow: bytes, token: FlowToken
    ) -> Target | None:
        """The node that has the connection of a registered contact; None when that is
        this node, or one that is not alive."""
        other = self._others.get(token.node)
        if other is None:
            return None
        uri, lookup = other
        return Target("binding", request_uri, lookup=lookup, routes=[_route(flow, uri)])


def _route(user: bytes, uri: bytes) -> bytes:
    return b"<sip:%b@%b;lr>" % (user, uri[_SCHEME:])
