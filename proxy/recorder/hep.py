"""HEP3, the protocol by which Homer and similar servers are sent copies of messages.

A packet is ``HEP3``, its length, and chunks: vendor (0: the generic ones), type,
length with this head of six bytes, value; all numbers in network order.
"""

import struct
from typing import Any, Final

from proxy.recorder.pcap import ends_of

AGENT: Final = 2_009
"""Our capture agent's number, by which Homer tells senders apart."""
MOST: Final = 65_000
"""Bytes of SIP in one datagram; a longer message loses the end of its (masked) body."""
_FAMILY, _PROTOCOL, _SOURCE_4, _TO_4, _SOURCE_6, _TO_6 = 1, 2, 3, 4, 5, 6
_SOURCE_PORT, _TO_PORT, _SECONDS, _MICROSECONDS, _TYPE, _AGENT = 7, 8, 9, 10, 11, 12
_PAYLOAD, _CORRELATION = 15, 17
_SIP: Final = 1
_INET, _INET6, _UDP, _TCP = 2, 10, 17, 6


def packet(message: dict[str, Any], call_id: bytes) -> bytes:
    """The packet for one message, which is as ``KeptMessage.to_json`` makes it."""
    data = message["data"].encode("latin-1")[:MOST]
    local, peer = ends_of(message)
    source, to = (peer, local) if message["direction"] == "in" else (local, peer)
    is_six = peer[0].version == 6
    seconds = int(message["at"])
    micro = int((message["at"] - seconds) * 1_000_000)
    chunks = (
        _chunk(_FAMILY, bytes([_INET6 if is_six else _INET])),
        _chunk(_PROTOCOL, bytes([_UDP if message["transport"] == "udp" else _TCP])),
        _chunk(_SOURCE_6 if is_six else _SOURCE_4, source[0].packed),
        _chunk(_TO_6 if is_six else _TO_4, to[0].packed),
        _chunk(_SOURCE_PORT, struct.pack(">H", source[1])),
        _chunk(_TO_PORT, struct.pack(">H", to[1])),
        _chunk(_SECONDS, struct.pack(">I", seconds)),
        _chunk(_MICROSECONDS, struct.pack(">I", micro)),
        _chunk(_TYPE, bytes([_SIP])),
        _chunk(_AGENT, struct.pack(">I", AGENT)),
        _chunk(_CORRELATION, call_id[:256]),
        _chunk(_PAYLOAD, data),
    )
    body = b"".join(chunks)
    return b"HEP3" + struct.pack(">H", 6 + len(body)) + body


def _chunk(kind: int, value: bytes) -> bytes:
    return struct.pack(">HHH", 0, kind, 6 + len(value)) + value
