"""Flows: the ways by which messages come to us and go back.

A *listener* is one address of ours.  A *flow* is one remote address as seen from one
listener (UDP), or one connection (TCP, TLS).  The core reads these values and compares
flows by identity.  Subclasses in ``proxy/net`` have the sockets; this module never
touches them.  The flow token of RFC 5626 section 5.2 is ``proxy/core/tokens.py``.
"""

from collections.abc import Callable
from typing import Final, Literal, Protocol

from proxy.sip.host import bracketed, host_port

Transport = Literal["udp", "tcp", "tls"]

DEFAULT_PORT: Final[dict[str, int]] = {"udp": 5060, "tcp": 5060, "tls": 5061}
RELIABLE: Final = frozenset({"tcp", "tls"})

WORKER_BITS, NODE_BITS = 40, 48
"""The bits of a connection's number: its process counts in the lower 40, the worker has
the 8 above them, the node those from bit 48 on.  Worker and node are 0 where there is
only one."""
COUNTED: Final = (1 << WORKER_BITS) - 1


class Listener:
    """One address that we answer on.

    ``sent_host``/``sent_port`` are what our Via and Record-Route say: the advertised
    host when one is configured, else the listener's own address.

    When several workers share one UDP address, each also has a port of its own, the
    listener's ``outlet``.  Requests of ours leave there and name it in Via, so that the
    answers come to the worker that sent them (decision 57).  ``shared`` leads from the
    outlet back to the common address.  In a single process both are the listener
    itself.
    """

    __slots__ = (
        "first_hop",
        "host",
        "index",
        "outlet",
        "port",
        "sent_by",
        "sent_host",
        "sent_port",
        "shared",
        "transport",
        "via_prefix",
        "via_prefix_alias",
    )

    def __init__(
        self,
        transport: Transport,
        host: str,
        port: int,
        *,
        index: int = 0,
        advertised_host: str | None = None,
        first_hop: bool = False,
    ) -> None:
        self.transport = transport
        self.host = host
        self.index = index
        self.first_hop = first_hop
        self.sent_host = advertised_host or bracketed(host)
        self.outlet = self
        self.shared = self
        self.bound_to(port)

    def add_outlet(self, port: int, index: int) -> "Listener":
        """Give this UDP listener a port for requests of our own."""
        host = self.sent_host
        self.outlet = Listener(
            "udp", self.host, port, index=index, advertised_host=host
        )
        self.outlet.shared = self
        return self.outlet

    def bound_to(self, port: int) -> None:
        """Take the port that the listener really has (0 asks the kernel for one)."""
        self.port = port
        self.sent_port = port
        self.sent_by = f"{self.sent_host}:{port}".encode()
        start = f"Via: SIP/2.0/{self.transport.upper()} ".encode() + self.sent_by
        self.via_prefix = start + b";branch="
        self.via_prefix_alias = start + b";alias;branch="  # RFC 5923

    def __repr__(self) -> str:
        return f"<Listener {self.transport}:{host_port(self.host, self.port)}>"


class Account:
    """What one source costs us, in bytes; all flows of the source share it.

    ``held`` is what we hold for it.  ``heard`` and ``said`` are what came from it and
    what went to it while it was not proven.  ``garbled`` is how many unreadable
    messages count against it, as of ``garbled_at`` (``transaction/budget.py``).  Until
    ``noisy_until`` the datagrams of the source wait for those of all others.
    """

    __slots__ = ("garbled", "garbled_at", "heard", "held", "noisy_until", "said")

    def __init__(self) -> None:
        self.held = 0
        self.heard = 0
        self.said = 0
        self.garbled = 0.0
        self.garbled_at = 0.0
        self.noisy_until = 0.0


class Ends:
    """The two ends of a flow, for records that outlive the flow.

    Those of what came in; ``outward`` are the same two for what went out, so that one
    reference says the direction as well.
    """

    __slots__ = (
        "connection_id",
        "host",
        "is_in",
        "listener",
        "outward",
        "port",
        "transport",
    )

    def __init__(
        self,
        listener: Listener,
        transport: str,
        host: str,
        port: int,
        connection_id: int,
        outward: "Ends | None" = None,
    ) -> None:
        self.listener = listener
        self.transport = transport
        self.host = host
        self.port = port
        self.connection_id = connection_id
        self.is_in = outward is not None
        self.outward = outward


class Flow:
    """A remote address as seen from one of our listeners.

    ``connection_id`` is 0 for UDP and unique in this process for a stream.
    ``first_hop`` is true for a connection that a client opened to a first-hop listener,
    and false for one that we open from its address.
    """

    __slots__ = (
        "account",
        "alias_port",
        "connection_id",
        "ends",
        "first_hop",
        "half_open",
        "hears_us",
        "host",
        "is_open",
        "is_proven",
        "listener",
        "peer_names",
        "peer_users",
        "port",
        "reliable",
        "transport",
        "via_prefix",
        "waiting",
        "wants_pong",
    )

    def __init__(
        self, listener: Listener, host: str, port: int, connection_id: int = 0
    ) -> None:
        self.listener = listener
        self.transport: Transport = listener.transport
        self.reliable = self.transport in RELIABLE
        self.host = host  # numeric, IPv6 without brackets
        self.port = port
        self.connection_id = connection_id
        self.is_open = True
        # The peer is no stranger: it has signed in, or is a server that we know.
        self.is_proven = False
        # The peer is a stranger, but its address is not forged: our answer arrived.
        self.hears_us = False
        self.account: Account | None = None
        self.ends: Ends | None = None  # once somebody wanted to remember them
        self.waiting = 0  # requests that came by it and have no final answer yet
        # 1: the peer has shut its sending side, and perhaps the other side too.
        # 2: as well, and answers go down this connection, for there is no other way.
        self.half_open = 0
        self.first_hop = listener.first_hop
        # The names in a verified certificate: domains, and users as ``user@host``.
        self.peer_names: tuple[str, ...] = ()
        self.peer_users: tuple[str, ...] = ()
        self.via_prefix = listener.via_prefix
        self.alias_port = 0  # where the peer listens, once it has said so (RFC 5923)
        self.wants_pong = False  # it asked for answers to its CRLFCRLF (RFC 5626)

    def both_ends(self) -> Ends:
        """The two ends; every caller gets the same object."""
        ends = self.ends
        if ends is None:
            listener, serial = self.listener, self.connection_id
            out = Ends(listener, self.transport, self.host, self.port, serial)
            ends = Ends(listener, self.transport, self.host, self.port, serial, out)
            self.ends = ends
        return ends

    def __repr__(self) -> str:
        serial = f"#{self.connection_id}" if self.connection_id else ""
        return f"<Flow {self.transport}:{host_port(self.host, self.port)}{serial}>"


class Elsewhere(Protocol):
    """Finds flows whose connection is in another worker of this node."""

    def by_id(
        self, connection_id: int, listener: Listener, host: str, port: int
    ) -> Flow | None:
        """The flow of a connection that a sibling numbered so."""

    def by_address(self, transport: str, host: str, port: int) -> Flow | None:
        """The flow of a connection that this remote address opened to a sibling."""

    def note_accepted(self, flow: Flow) -> None:
        """A peer has connected to us: let siblings find the connection."""


class FlowTable:
    """All flows that exist now; filled by ``proxy/net``, read by the core.

    ``origin`` are the worker's and the node's bits of our connections' numbers;
    ``elsewhere`` is None for a process without siblings.  ``links`` has the link of
    each UDP peer with a link-local address (``net/datagrams/links.py``).
    """

    __slots__ = (
        "_streams",
        "_streams_by_id",
        "account_of",
        "elsewhere",
        "is_friend",
        "links",
        "listeners",
        "max_udp",
        "origin",
        "udp_flows",
    )

    def __init__(self, listeners: list[Listener], max_udp: int = 20_000) -> None:
        self.listeners = listeners
        self.max_udp = max_udp
        self.origin = 0
        self.elsewhere: Elsewhere | None = None
        # Whether this numeric address is a server that we know or trust.
        self.is_friend: Callable[[str], bool] | None = None
        # The account of a stranger; the core has it.
        self.account_of: Callable[[Flow], Account] | None = None
        self.udp_flows: dict[tuple[int, str, int], Flow] = {}
        self.links: dict[tuple[int, str], int] = {}
        self._streams: dict[tuple[str, str, int], Flow] = {}
        self._streams_by_id: dict[int, Flow] = {}

    def udp(self, listener: Listener, host: str, port: int) -> Flow:
        """The flow of a UDP peer; made on first sight, at most ``max_udp`` kept."""
        key = (listener.index, host, port)
        flow = self.udp_flows.get(key)
        if flow is None:
            if len(self.udp_flows) >= self.max_udp:
                # Drop the oldest.  A datagram flow only stands for its address, and is
                # made anew when the address appears again.
                del self.udp_flows[next(iter(self.udp_flows))]
            flow = self.udp_flows[key] = Flow(listener, host, port)
            if self.is_friend is not None:
                flow.is_proven = self.is_friend(host)
            if self.account_of is not None and not flow.is_proven:
                flow.account = self.account_of(flow)
        return flow

    def note_link(self, listener: Listener, host: str, link: int) -> None:
        """This peer was heard over this link; at most as many are kept as flows."""
        key = listener.shared.index, host
        links = self.links
        links.pop(key, None)
        if len(links) >= self.max_udp:
            del links[next(iter(links))]
        links[key] = link

    def link_of(self, listener: Listener, host: str) -> int:
        """The link over which this peer was heard last; 0 for none."""
        return self.links.get((listener.shared.index, host), 0) if self.links else 0

    def add_stream(self, flow: Flow) -> None:
        """Register an open connection.

        The newest to an address wins: of two the older is probably dead at the peer.
        """
        self._streams[(flow.transport, flow.host, flow.port)] = flow
        self._streams_by_id[flow.connection_id] = flow

    def remove_stream(self, flow: Flow) -> None:
        """Forget a closed connection; others to the same address stay."""
        flow.is_open = False
        self._streams_by_id.pop(flow.connection_id, None)
        for port in (flow.port, flow.alias_port):
            key = (flow.transport, flow.host, port)
            if self._streams.get(key) is flow:
                del self._streams[key]

    def add_alias(self, flow: Flow, port: int) -> None:
        """Requests to this port of the peer may use the connection of ``flow`` (RFC
        5923).

        A connection that we have opened to that port ourselves stays in use.
        """
        flow.alias_port = port
        self._streams.setdefault((flow.transport, flow.host, port), flow)

    def stream(self, transport: str, host: str, port: int) -> Flow | None:
        """The open connection to this remote address, whoever opened it."""
        return self._streams.get((transport, host, port))

    def stream_by_id(self, connection_id: int) -> Flow | None:
        """The open connection with this number."""
        return self._streams_by_id.get(connection_id)

    def streams(self) -> list[Flow]:
        """Every open connection."""
        return list(self._streams_by_id.values())

    def listener_for(
        self, transport: str, host: str, like: Listener | None = None
    ) -> Listener | None:
        """The listener we send from: ``like`` if it fits, else the first that does.

        A listener fits when its transport and address family are those of ``host``.
        """
        # Prefer the listener that the request came by: firewalls and certificates are
        # usually made for one address that both receives and sends.
        six = ":" in host
        if (
            like is not None
            and like.transport == transport
            and (":" in like.host) == six
        ):
            return like
        for listener in self.listeners:
            if listener.transport == transport and (":" in listener.host) == six:
                return listener
        return None
