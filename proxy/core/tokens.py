"""Tokens: what we write into the user part of a URI, so that later requests find their
way and we need no memory of dialogs (as in RFC 5626 section 5.2; decision 5).

A token names one place and one purpose, and both are signed.  A token for a client's
Contact opens no dialog, and the token that leads a callee to its caller leads nobody to
the callee.  The purposes are:

* ``FLOW``: the way back of a binding.  Other nodes and the store see it, nobody else.
* ``CONTACT``: stands for a first-hop client's Contact (``first_hop/contact_token.py``).
* ``TO_CALLER``: in the Record-Route that the callee gets.
* ``TO_CALLEE``: in the Record-Route that the caller gets.
* ``PROBE``: in the Route of a chat probe of our own; it names one front end of a pool.

A token of a dialog also names the next hop, and that of a probe its pool.  A keyed mark
stands for the name, because a name may be long, and only we have to recognise it.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Final
from zlib import crc32

from proxy.pools.front_end import Lookup
from proxy.sip.cache import keep
from proxy.sip.flow import (
    COUNTED,
    NODE_BITS,
    WORKER_BITS,
    Flow,
    FlowTable,
    Listener,
    Transport,
)

FLOW: Final = 1
CONTACT: Final = 2
TO_CALLER: Final = 3
TO_CALLEE: Final = 4
PROBE: Final = 5

DIRECT: Final = 1
"""The next hop of the dialog is the place that the token names: go there."""
CLIENT: Final = 2
"""The callee is a client, which has a flow of its own and cannot be connected to."""
_TRANSPORT_AT: Final = 4
_TRANSPORTS: Final[tuple[Transport, ...]] = ("udp", "tcp", "tls")

_HEAD: Final = struct.Struct("!BH6sQH")
_DIALOG: Final = struct.Struct("!B6s")
_PEER: Final = struct.Struct("!4sH")
_MAC_SIZE: Final = 10  # bytes: short in a URI, and too many to guess
NO_ENDPOINT: Final = bytes(6)
NO_NAME: Final = bytes(6)
_LONGEST_ROUTE: Final = 512  # bytes of a line that is remembered
_CACHED: Final = 16_384
MIN_TOKEN: Final = 44
"""Characters of the shortest token (an IPv4 client)."""
MAX_TOKEN: Final = 80
"""Characters beyond those of any token; a longer text is neither read nor kept."""


class FlowToken:
    """What a token says: an address, how to get there, and the endpoint's tag.

    ``connection_id`` has the bits of the node and the worker that the client is at.
    Only tokens of a dialog have the rest: ``way`` (DIRECT and CLIENT), ``name`` (the
    mark of the next hop), ``peer`` and ``peer_port`` (the callee as we reached it).
    ``transport`` is the callee's, or that of a probe's front end; the ``connection_id``
    of a probe is the second at which it expires.  ``key`` is the index of the key that
    signed.  ``named`` (the next hop that ``name`` stands for) and ``lookup`` (the
    question for the token's address) are worked out once.
    """

    __slots__ = (
        "connection_id",
        "endpoint_tag",
        "host",
        "key",
        "listener",
        "lookup",
        "name",
        "named",
        "peer",
        "peer_port",
        "port",
        "purpose",
        "transport",
        "way",
    )

    def __init__(
        self,
        listener: int,
        endpoint_tag: bytes,
        connection_id: int,
        host: str,
        port: int,
        purpose: int = FLOW,
        way: int = 0,
        name: bytes = NO_NAME,
        transport: Transport = "udp",
        peer: bytes = b"",
        peer_port: int = 0,
        key: int = 0,
    ) -> None:
        self.listener = listener
        self.endpoint_tag = endpoint_tag
        self.connection_id = connection_id
        self.host = host
        self.port = port
        self.purpose = purpose
        self.way = way
        self.name = name
        self.transport: Transport = transport
        self.peer = peer
        self.peer_port = peer_port
        self.key = key
        self.named = ""
        self.lookup: Lookup | None = None

    @property
    def node(self) -> int:
        """The number of the node that has this flow; 0 when nodes have none."""
        return self.connection_id >> NODE_BITS

    @property
    def is_of_dialog(self) -> bool:
        """True for what stands in a Record-Route."""
        return self.purpose == TO_CALLER or self.purpose == TO_CALLEE


def listener_mark(listener: Listener) -> int:
    """Two bytes that name a listener across restarts."""
    text = f"{listener.transport}:{listener.host}:{listener.port}"
    return crc32(text.encode()) & 0xFFFF


_caller_marks: Final[dict[bytes, bytes]] = {}


def caller_mark(from_tag: bytes | None) -> bytes:
    """Eight hex digits for the caller's tag, as in old Record-Routes (decision 11)."""
    tag = from_tag or b""
    mark = _caller_marks.get(tag)
    if mark is None:
        mark = b"%08x" % crc32(tag)
        keep(_caller_marks, tag, mark)
    return mark


@lru_cache(maxsize=4096)
def _packed(host: str) -> bytes:
    return ip_address(host.partition("%")[0]).packed


@lru_cache(maxsize=4096)
def host_mark(host: str) -> bytes:
    """Four bytes that stand for a peer's address."""
    return sha256(_packed(host)).digest()[:4]


def _transport_bits(flow: Flow) -> int:
    return _TRANSPORTS.index(flow.transport) << _TRANSPORT_AT


class TokenBox:
    """Makes and opens tokens; the first key signs, every key verifies.

    ``node`` is the number of this node, 0 when nodes have none; ``maker`` that of the
    node and the worker together.
    """

    __slots__ = (
        "_flows",
        "_keys",
        "_listeners",
        "_names",
        "_opened",
        "_udp_id",
        "changes",
        "maker",
        "node",
        "routes",
    )

    def __init__(self, keys: tuple[bytes, ...], flows: FlowTable) -> None:
        self._keys = keys
        self._udp_id = flows.origin >> NODE_BITS << NODE_BITS
        self._flows = flows
        self.node = flows.origin >> NODE_BITS
        self.maker = flows.origin >> WORKER_BITS
        self._listeners = {listener_mark(x): x for x in flows.listeners}
        self._opened: dict[bytes, FlowToken | None] = {}
        self._names: dict[tuple[int, str], bytes] = {}
        # By whole Route line: the token in it, and its text.
        self.routes: dict[bytes, tuple[FlowToken, bytes]] = {}
        self.changes = 0  # how often the keys changed: caches of tokens watch it

    def use_keys(self, keys: tuple[bytes, ...]) -> None:
        """Sign with the first of these from now on, and accept them all."""
        self._keys = keys
        self._opened.clear()
        self._names.clear()
        self.routes.clear()
        self.changes += 1

    # -- making ------------------------------------------------------------------

    def make(self, flow: Flow, endpoint_tag: bytes = NO_ENDPOINT) -> bytes:
        """A token for the way back of a binding, base64url without padding."""
        return self._sign(self._head(FLOW, flow, endpoint_tag) + _packed(flow.host))

    def make_contact(self, flow: Flow) -> bytes:
        """A token for the Contact of the client at the end of ``flow``."""
        return self._sign(self._head(CONTACT, flow, NO_ENDPOINT) + _packed(flow.host))

    def towards_caller(
        self, flow: Flow, endpoint_tag: bytes, way: int, next_hop: str, peer: Flow
    ) -> bytes:
        """The token for the callee at ``peer``: the caller is at the end of ``flow``,
        and its side of the dialog begins at ``next_hop`` (empty: it did not say)."""
        return self._sign(
            self._head(TO_CALLER, flow, endpoint_tag)
            + _DIALOG.pack(way | _transport_bits(peer), self._name(0, next_hop))
            + _PEER.pack(host_mark(peer.host), peer.port)
            + _packed(flow.host)
        )

    def towards_callee(
        self, flow: Flow, endpoint_tag: bytes, way: int, next_hop: str
    ) -> bytes:
        """The token for the caller: the callee answered over ``flow``, and its side of
        the dialog begins at ``next_hop``.

        A client can be reached only over this flow.  Any other callee has an address
        that every node of ours can reach.
        """
        if way & CLIENT:
            head = self._head(TO_CALLEE, flow, endpoint_tag)
        else:
            mark = listener_mark(flow.listener.shared)
            port = flow.alias_port or flow.port
            head = _HEAD.pack(TO_CALLEE, mark, endpoint_tag, 0, port)
        dialog = _DIALOG.pack(way | _transport_bits(flow), self._name(0, next_hop))
        return self._sign(head + dialog + _packed(flow.host))

    def make_probe(
        self, pool: str, transport: Transport, host: str, port: int, until: float
    ) -> bytes:
        """The token for a probe of our own: this one front end of ``pool``, until an
        instant of the core's clock.  That clock is this machine's alone."""
        way = _TRANSPORTS.index(transport) << _TRANSPORT_AT
        return self._sign(
            _HEAD.pack(PROBE, 0, NO_ENDPOINT, int(until) + 1, port)
            + _DIALOG.pack(way, self._name(0, pool))
            + _packed(host)
        )

    def _head(self, purpose: int, flow: Flow, endpoint_tag: bytes) -> bytes:
        return _HEAD.pack(
            purpose,
            listener_mark(flow.listener.shared),
            endpoint_tag,
            flow.connection_id or self._udp_id,
            flow.port,
        )

    def _sign(self, packed: bytes) -> bytes:
        mac = hmac.digest(self._keys[0], packed, sha256)[:_MAC_SIZE]
        return urlsafe_b64encode(packed + mac).rstrip(b"=")

    def _name(self, key: int, next_hop: str) -> bytes:
        """The mark of a next hop under a key; without it nobody can find a name that
        has a given mark."""
        if not next_hop:
            return NO_NAME
        mark = self._names.get((key, next_hop))
        if mark is None:
            text = b"next hop " + next_hop.encode()
            mark = hmac.digest(self._keys[key], text, sha256)[: len(NO_NAME)]
            if len(self._names) >= _CACHED:
                self._names.clear()
            self._names[(key, next_hop)] = mark
        return mark

    # -- opening -----------------------------------------------------------------

    def open(self, text: bytes) -> FlowToken | None:
        """Read a token; None when it is not one of ours."""
        try:
            return self._opened[text]
        except KeyError:
            if not MIN_TOKEN <= len(text) <= MAX_TOKEN:
                return None
            token = self._verify(text)
        if len(self._opened) >= _CACHED:
            self._opened.clear()
        self._opened[text] = token
        return token

    def keep_route(self, line: bytes, token: FlowToken, user: bytes) -> None:
        """Remember the token of a Route line, unless the line is very long."""
        if len(line) <= _LONGEST_ROUTE:
            if len(self.routes) >= _CACHED:
                self.routes.clear()
            self.routes[line] = token, user

    def _verify(self, text: bytes) -> FlowToken | None:
        try:
            raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except ValueError:
            return None
        # The decoder skips characters that are not in its alphabet, "~" for example.
        if urlsafe_b64encode(raw).rstrip(b"=") != text or len(raw) <= _MAC_SIZE:
            return None
        packed, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
        for place, key in enumerate(self._keys):
            if hmac.compare_digest(hmac.digest(key, packed, sha256)[:_MAC_SIZE], mac):
                return _read(packed, place)
        return None

    def is_named(self, token: FlowToken, next_hop: str) -> bool:
        """True when this is the next hop that the token of a dialog names."""
        if next_hop == token.named and next_hop:
            return True
        name = token.name
        if name == NO_NAME or name != self._name(token.key, next_hop):
            return False
        token.named = next_hop
        return True

    # -- flows -------------------------------------------------------------------

    def is_elsewhere(self, flow: Flow) -> bool:
        """True for a connection that another worker has."""
        number = flow.connection_id
        return number != 0 and (number ^ self._flows.origin) >> WORKER_BITS != 0

    def flow_of(self, token: FlowToken) -> Flow | None:
        """The flow a token names; None when its connection or listener is gone."""
        flows = self._flows
        listener = self._listeners.get(token.listener)
        if token.connection_id & COUNTED:
            flow = flows.stream_by_id(token.connection_id)
            # After a restart numbers are given anew, so the address must agree too.
            if flow is not None and (flow.host, flow.port) == (token.host, token.port):
                return flow
            if flows.elsewhere is None or listener is None:
                return None
            return flows.elsewhere.by_id(
                token.connection_id, listener, token.host, token.port
            )
        if listener is None or listener.transport != "udp":
            return None
        return flows.udp(listener, token.host, token.port)


def _read(packed: bytes, key: int) -> FlowToken | None:
    """What the signed bytes say; None for a form that this version does not know."""
    at = _HEAD.size
    if len(packed) <= at:
        return None
    purpose, mark, tag, connection_id, port = _HEAD.unpack_from(packed)
    way, name, peer, peer_port = 0, NO_NAME, b"", 0
    if purpose in (TO_CALLER, TO_CALLEE, PROBE):
        way, name = _DIALOG.unpack_from(packed, at)
        at += _DIALOG.size
        if purpose == TO_CALLER:
            peer, peer_port = _PEER.unpack_from(packed, at)
            at += _PEER.size
    elif purpose not in (FLOW, CONTACT):
        return None
    address = packed[at:]
    if len(address) not in (4, 16):
        return None
    return FlowToken(
        mark,
        tag,
        connection_id,
        str(ip_address(address)),
        port,
        purpose,
        way,
        name,
        _TRANSPORTS[way >> _TRANSPORT_AT],
        peer,
        peer_port,
        key,
    )
