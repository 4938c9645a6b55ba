"""Kept messages as a capture file that Wireshark, tshark and sngrep read.

The recorder keeps messages and no packets, so the frames around them are made up: the
addresses are the real ones, and each connection is one TCP stream.  What came out of
TLS is written as plain TCP and port 5061 as 5060, because a reader expects a handshake
on 5061.  Pure.
"""

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

_RAW_IP: Final = 101
_HEAD: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, _RAW_IP)
_SEGMENT: Final = 60_000
"""Bytes of a stream in one frame: an IP packet has room for 65,535."""
_TCP, _UDP = 6, 17
_SIPS, _SIP = 5061, 5060
_PUSH_ACK: Final = 0x18

Address = IPv4Address | IPv6Address
End = tuple[Address, int]


def capture_of(calls: Iterable[dict[str, Any]]) -> bytes:
    """The file; ``calls`` as ``/trace`` tells them."""
    messages = [message for call in calls for message in call["messages"]]
    messages.sort(key=lambda message: message["at"])
    sequences: dict[tuple[object, ...], int] = {}
    parts = [_HEAD]
    for message in messages:
        for packet in _packets(message, sequences):
            seconds = int(message["at"])
            micro = int((message["at"] - seconds) * 1_000_000)
            head = struct.pack("<IIII", seconds, micro, len(packet), len(packet))
            parts += (head, packet)
    return b"".join(parts)


def _packets(
    message: dict[str, Any], sequences: dict[tuple[object, ...], int]
) -> Iterable[bytes]:
    data = message["data"].encode("latin-1")
    local, peer = ends_of(message)
    if message["transport"] == "tls":
        local, peer = _plain(local), _plain(peer)
    is_in = message["direction"] == "in"
    source, to = (peer, local) if is_in else (local, peer)
    if message["transport"] == "udp":
        head = struct.pack(">HHHH", source[1], to[1], 8 + len(data), 0)
        yield _ip(source[0], to[0], _UDP, head, data, 6)
        return
    ours = *source, *to, message["connection"]
    theirs = *to, *source, message["connection"]
    for begin in range(0, len(data), _SEGMENT):
        piece = data[begin : begin + _SEGMENT]
        sequence = sequences.get(ours, 1)
        head = struct.pack(
            ">HHIIBBHHH",
            *(source[1], to[1], sequence & 0xFFFFFFFF),
            *(sequences.get(theirs, 1) & 0xFFFFFFFF, 0x50, _PUSH_ACK, 0xFFFF, 0, 0),
        )
        sequences[ours] = sequence + len(piece)
        yield _ip(source[0], to[0], _TCP, head, piece, 16)


def ends_of(message: dict[str, Any]) -> tuple[End, End]:
    """Our end and the peer's of a message as ``KeptMessage.to_json`` tells it."""
    local, peer = _end(message["local"]), _end(message["peer"])
    if local[0].version != peer[0].version:  # a listener for both families
        local = ip_address("::" if peer[0].version == 6 else "0.0.0.0"), local[1]
    return local, peer


def _end(text: str) -> End:
    host, _, port = text.rpartition(":")
    return ip_address(host.strip("[]").partition("%")[0]), int(port)


def _plain(end: End) -> End:
    return (end[0], _SIP) if end[1] == _SIPS else end


def _ip(
    source: Address, to: Address, protocol: int, head: bytes, data: bytes, at: int
) -> bytes:
    """An IP packet; ``head`` is TCP's or UDP's, and its checksum belongs at ``at``."""
    size = len(head) + len(data)
    pseudo = source.packed + to.packed + struct.pack(">II", size, protocol)
    # Zero would mean that there is no checksum (RFC 768).
    check = _checksum(pseudo + head + data) or 0xFFFF
    head = head[:at] + struct.pack(">H", check) + head[at + 2 :]
    if source.version == 6:
        begin = struct.pack(">IHBB", 6 << 28, size, protocol, 64)
        return begin + source.packed + to.packed + head + data
    begin = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, protocol, 0)
    begin += source.packed + to.packed
    begin = begin[:10] + struct.pack(">H", _checksum(begin)) + begin[12:]
    return begin + head + data


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)
