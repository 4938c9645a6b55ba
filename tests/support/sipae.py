"""What [MS-SIPAE] signs of a message, and an NTLM signature: signer and checker.

Reads bytes by itself and shares no code with the proxy: it stands for the client and
the front end, who would notice a changed byte.  Keys are given; there is no handshake.
"""

import hmac
import re
import struct
from typing import Final

_PROOFS: Final = (
    *(b"authorization", b"proxy-authorization"),
    *(b"authentication-info", b"proxy-authentication-info"),
)
_COMPACT: Final = {b"f": b"from", b"t": b"to", b"i": b"call-id"}
_EMPTY: Final = b"0" * 32
SEQUENCE: Final = 100
"""The sequence number of a connectionless NTLM context."""


def fields(data: bytes, version: int = 4) -> list[bytes]:
    """The signed fields in their order, exactly as they stand; 16 for a response."""
    lines = _lines(data)
    headers = [_header(line) for line in lines[1:]]
    is_response = data.startswith(b"SIP/2.0 ")
    proof = next((v for n, v in headers if n in _PROOFS), b"")
    cseq = _first(headers, b"cseq").split()
    from_, to = _first(headers, b"from"), _first(headers, b"to")
    found = [
        proof.partition(b" ")[0],
        _parameter(proof, b"crand") or _parameter(proof, b"srand"),
        _parameter(proof, b"cnum") or _parameter(proof, b"snum"),
        _parameter(proof, b"realm"),
        _parameter(proof, b"targetname"),
        _first(headers, b"call-id"),
        *cseq,
        *(_uri(from_), _tag(from_)),
    ]
    if version >= 3:
        found.append(_uri(to))
    found.append(_tag(to))
    if version >= 3:
        identity = b",".join(
            value
            for name, value in headers
            if name in (b"p-asserted-identity", b"p-preferred-identity")
        )
        for scheme in (b"sip", b"tel"):
            match = re.search(rb"<?\b(%b:[^>,;]*)" % scheme, identity)
            found.append(match[1] if match else b"")
    found.append(_first(headers, b"expires"))
    if is_response:
        found.append(lines[0].split(b" ")[1])
    return found


def buffer(data: bytes, version: int = 4) -> bytes:
    """What the signature is over."""
    return b"".join(b"<%b>" % field for field in fields(data, version))


def signature(data: bytes, key: bytes, version: int = 4) -> bytes:
    """An NTLM signature in hexadecimal ([MS-NLMP] 3.4.4.2, no key exchange)."""
    number = struct.pack("<I", SEQUENCE)
    digest = hmac.digest(key, number + buffer(data, version), "md5")
    return (struct.pack("<I", 1) + digest[:8] + number).hex().encode()


def signed(data: bytes, key: bytes, version: int = 4) -> bytes:
    """The message with its signature in the place that `proof` left for it."""
    assert data.count(_EMPTY) == 1
    return data.replace(_EMPTY, signature(data, key, version))


def is_genuine(data: bytes, key: bytes, version: int = 4) -> bool:
    """Whether the message still says what was signed."""
    match = re.search(rb'(?:response|rspauth)="([0-9a-f]{32})"', data)
    return match is not None and hmac.compare_digest(
        match[1], signature(data, key, version)
    )


def proof(number: int, *, of_client: bool) -> str:
    """A header line of the client's or the front end's, to be signed."""
    common = (
        'NTLM qop="auth", realm="SIP Communications Service", opaque="6EBA0F7C", '
        'targetname="fe1.contoso.test", version=4'
    )
    if of_client:
        return (
            f'Proxy-Authorization: {common}, crand="{number:08x}", cnum="{number}", '
            f'response="{_EMPTY.decode()}"'
        )
    return (
        f'Proxy-Authentication-Info: {common}, srand="{number:08X}", '
        f'snum="{number}", rspauth="{_EMPTY.decode()}"'
    )


def _lines(data: bytes) -> list[bytes]:
    head = data.partition(b"\r\n\r\n")[0]
    return re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    name = name.strip().lower()
    return _COMPACT.get(name, name), value.strip()


def _first(headers: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for found, value in headers if found == name), b"")


def _parameter(proof_value: bytes, name: bytes) -> bytes:
    match = re.search(rb'\b%b="?([^",]*)' % name, proof_value)
    return match[1] if match else b""


def _uri(value: bytes) -> bytes:
    match = re.search(rb"<([^>]*)>", value)
    return match[1] if match else value.partition(b";")[0].strip()


def _tag(value: bytes) -> bytes:
    match = re.search(rb";\s*tag\s*=\s*([^;\s]+)", value.rpartition(b">")[2])
    return match[1] if match else b""
