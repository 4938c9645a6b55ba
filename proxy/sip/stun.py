"""STUN Binding requests: keep-alives of SIP over UDP (RFC 5626 section 4.4.2).

A client that is granted ``outbound`` sends them to the port where it registered, and
takes its flow for dead when nothing comes back.  We do only the part of RFC 5389 that
this needs: to a Binding request we answer a success with the address that it came from.
There are no credentials (RFC 5626 section 8), no other port, and no RFC 3489; anything
else that looks like STUN is dropped.  An answer is 12 bytes longer than the shortest
request (24 for IPv6), so it is of no use to a sender that forges its source.
"""

import struct
from ipaddress import ip_address
from typing import Final

_HEAD: Final = struct.Struct("!HHI12s")
_REQUEST: Final = 0x0001
_SUCCESS: Final = 0x0101
_ERROR: Final = 0x0111
_COOKIE: Final = 0x2112A442
_XOR_MAPPED_ADDRESS: Final = 0x0020
_ERROR_CODE: Final = 0x0009
_UNKNOWN_ATTRIBUTES: Final = 0x000A
# MAPPED-ADDRESS, USERNAME, MESSAGE-INTEGRITY, ERROR-CODE, UNKNOWN-ATTRIBUTES, REALM,
# NONCE, XOR-MAPPED-ADDRESS: known, and of no use here.
_KNOWN: Final = frozenset({0x01, 0x06, 0x08, 0x09, 0x0A, 0x14, 0x15, 0x20})
_OPTIONAL: Final = 0x8000
LONGEST: Final = 548
"""Bytes; a larger request is dropped (RFC 5389 section 7.1)."""
_MOST_UNKNOWN: Final = 4


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN: by its first bits and its cookie (RFC 5389 section
    6), with which no SIP message can begin."""
    return data[4:8] == b"\x21\x12\xa4\x42" and data[0] < 4


def binding_answer(data: bytes, host: str, port: int) -> bytes | None:
    """The answer to a Binding request from ``host`` and ``port``; None for no
    answer."""
    if not _HEAD.size <= len(data) <= LONGEST:
        return None
    kind, length, cookie, transaction = _HEAD.unpack_from(data)
    if kind != _REQUEST or cookie != _COOKIE or length != len(data) - _HEAD.size:
        return None
    unknown = _unknown_attributes(data)
    if unknown is None:
        return None
    if unknown:
        code = struct.pack("!HHHBB", _ERROR_CODE, 4, 0, 4, 20)  # 420, no reason phrase
        listed = b"".join([struct.pack("!H", number) for number in unknown])
        size = len(listed)
        listed += bytes(-size % 4)
        attributes = code + struct.pack("!HH", _UNKNOWN_ATTRIBUTES, size) + listed
        return _HEAD.pack(_ERROR, len(attributes), cookie, transaction) + attributes
    attributes = _xor_mapped_address(host, port, transaction)
    return _HEAD.pack(_SUCCESS, len(attributes), cookie, transaction) + attributes


def _unknown_attributes(data: bytes) -> list[int] | None:
    """Attributes that must be understood and are not; None for a malformed message."""
    unknown: list[int] = []
    position, end = _HEAD.size, len(data)
    if end % 4:
        return None
    while position < end:
        number, length = struct.unpack_from("!HH", data, position)
        position += 4 + length + -length % 4
        if position > end:
            return None
        if (
            number < _OPTIONAL
            and number not in _KNOWN
            and number not in unknown
            and len(unknown) < _MOST_UNKNOWN
        ):
            unknown.append(number)
    return unknown


def _xor_mapped_address(host: str, port: int, transaction: bytes) -> bytes:
    """The XOR-MAPPED-ADDRESS attribute (RFC 5389 section 15.2)."""
    address = ip_address(host.partition("%")[0])
    mask = struct.pack("!I", _COOKIE) + transaction
    packed = address.packed
    value = bytes([byte ^ other for byte, other in zip(packed, mask, strict=False)])
    family = 1 if address.version == 4 else 2
    head = struct.pack(
        "!HHBBH",
        _XOR_MAPPED_ADDRESS,
        4 + len(value),
        0,
        family,
        port ^ (_COOKIE >> 16),
    )
    return head + value
