"""Flow tokens: how a dialog remembers, in Record-Route, which way the client is.

RFC 5626 section 5.2 style.  The user part of our Record-Route URI is
``<token>.<caller>``: the token says over which flow the request that opened the
dialog came and which endpoint it was for, and is signed; ``caller`` is a checksum of
the caller's tag and tells in which direction a later request travels.  No dialog is
kept in memory, so dialogs outlive the process.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Final, NamedTuple
from zlib import crc32

from proxy.sip.flow import COUNTED, NODE_BITS, WORKER_BITS, Flow, FlowTable, Listener
from proxy.sip.kept import keep

_HEAD: Final = struct.Struct("!BH6sQH")
_MAC_SIZE: Final = 10
_VERSION: Final = 1
NO_ENDPOINT: Final = bytes(6)
_CACHED: Final = 16_384
MIN_TOKEN: Final = 44
"""Characters of the shortest token (an IPv4 client)."""
MAX_TOKEN: Final = 64
"""More than the longest has: what is longer is neither read nor remembered."""


class FlowToken(NamedTuple):
    """What a token says: the client's address and the endpoint's tag.

    ``connection_id`` has the bits of the node and worker that the client is at.
    """

    listener: int
    endpoint_tag: bytes
    connection_id: int
    host: str
    port: int

    @property
    def node(self) -> int:
        """The number of the node that has this flow; 0 when nodes have none."""
        return self.connection_id >> NODE_BITS


def listener_mark(listener: Listener) -> int:
    """Two bytes that name a listener across restarts."""
    text = f"{listener.transport}:{listener.host}:{listener.port}"
    return crc32(text.encode()) & 0xFFFF


_caller_marks: Final[dict[bytes, bytes]] = {}


def caller_mark(from_tag: bytes | None) -> bytes:
    """Eight hex digits that stand for the caller's tag."""
    tag = from_tag or b""
    mark = _caller_marks.get(tag)
    if mark is None:
        mark = b"%08x" % crc32(tag)
        keep(_caller_marks, tag, mark)
    return mark


@lru_cache(maxsize=4096)
def _packed(host: str) -> bytes:
    return ip_address(host.partition("%")[0]).packed


class TokenBox:
    """Makes and opens tokens; the first key signs, every key verifies.

    ``node`` is the number of this node, 0 when nodes have none; ``maker`` that of the
    node and the worker together.
    """

    __slots__ = ("_flows", "_keys", "_marks", "_opened", "_udp_id", "maker", "node")

    def __init__(self, keys: tuple[bytes, ...], flows: FlowTable) -> None:
        self._keys = keys
        self._udp_id = flows.origin >> NODE_BITS << NODE_BITS
        self._flows = flows
        self.node = flows.origin >> NODE_BITS
        self.maker = flows.origin >> WORKER_BITS
        self._marks = {listener_mark(x): x for x in flows.listeners}
        self._opened: dict[bytes, FlowToken | None] = {}

    def use_keys(self, keys: tuple[bytes, ...]) -> None:
        """Sign with the first of these from now on, and accept them all."""
        self._keys = keys
        self._opened.clear()
        for flow in (*self._flows.streams(), *self._flows.udp_flows.values()):
            flow.state = None  # Record-Route lines signed with an older key

    def make(self, flow: Flow, endpoint_tag: bytes = NO_ENDPOINT) -> bytes:
        """A token for ``flow``, base64url without padding."""
        packed = _HEAD.pack(
            _VERSION,
            listener_mark(flow.listener.shared),
            endpoint_tag,
            flow.connection_id or self._udp_id,
            flow.port,
        )
        packed += _packed(flow.host)
        mac = hmac.digest(self._keys[0], packed, sha256)[:_MAC_SIZE]
        return urlsafe_b64encode(packed + mac).rstrip(b"=")

    def open(self, text: bytes) -> FlowToken | None:
        """Read a token; None when it is not one of ours."""
        try:
            return self._opened[text]
        except KeyError:
            if len(text) > MAX_TOKEN:
                return None
            token = self._verify(text)
        if len(self._opened) >= _CACHED:
            self._opened.clear()
        self._opened[text] = token
        return token

    def _verify(self, text: bytes) -> FlowToken | None:
        try:
            raw = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except ValueError:
            return None
        packed, mac = raw[:-_MAC_SIZE], raw[-_MAC_SIZE:]
        address = packed[_HEAD.size :]
        if len(address) not in (4, 16) or packed[0] != _VERSION:
            return None
        for key in self._keys:
            if hmac.compare_digest(hmac.digest(key, packed, sha256)[:_MAC_SIZE], mac):
                _, mark, tag, connection_id, port = _HEAD.unpack_from(packed)
                host = str(ip_address(address))
                return FlowToken(mark, tag, connection_id, host, port)
        return None

    def is_elsewhere(self, flow: Flow) -> bool:
        """True for a connection that another worker has."""
        number = flow.connection_id
        return number != 0 and (number ^ self._flows.origin) >> WORKER_BITS != 0

    def flow_of(self, token: FlowToken) -> Flow | None:
        """The flow a token names; None when its connection or listener is gone."""
        flows = self._flows
        listener = self._marks.get(token.listener)
        if token.connection_id & COUNTED:
            flow = flows.stream_by_id(token.connection_id)
            # A restart numbers connections anew: the address must agree too.
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
