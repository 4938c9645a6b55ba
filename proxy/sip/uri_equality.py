"""When two URIs are equal (RFC 3261 section 19.1.4).

Needless escapes, case, the spelling of an address and the order of parameters make no
difference.  Nor does a parameter that only one of the two has, except for those that
say where a request goes or what it is.
"""

import re
from typing import Final

from proxy.sip.grammar import PERCENT
from proxy.sip.host import canonical_host
from proxy.sip.uri import SipUri

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
)
_NEVER_IGNORED: Final = frozenset({"transport", "user", "ttl", "method", "maddr"})


def uri_key(uri: SipUri) -> bytes:
    """A key for a URI: unequal URIs have unequal keys.

    Equal URIs may have unequal keys too, when only one of them has a parameter that
    ``is_same`` ignores.
    """
    head = _head(uri)
    if not uri.parameters:
        return head
    pairs = sorted(b"%b=%b" % pair for pair in _parameters(uri).items())
    return b";".join((head, *pairs))


def is_same(one: SipUri, other: SipUri) -> bool:
    """Whether the two URIs are equal by section 19.1.4."""
    if one.raw == other.raw:
        return True
    if _head(one) != _head(other):
        return False
    ours, theirs = _parameters(one), _parameters(other)
    for name in ours.keys() | theirs.keys():
        if name in ours and name in theirs:
            if ours[name] != theirs[name]:
                return False
        elif name.decode("latin-1") in _NEVER_IGNORED:
            return False
    return True


def _head(uri: SipUri) -> bytes:
    """Scheme, user, password, host, port and header fields, which always count."""
    raw = uri.raw
    user = b""
    if uri.user is not None:
        # The last "@" before the header fields, which may hold one of their own.
        end = len(raw) - len(uri.headers)
        user = raw[len(uri.scheme) + 1 : raw.rfind(b"@", 0, end) + 1]
    head = b"%b:%b%b:%d" % (
        uri.scheme.encode(),
        _plain(user),
        uri.host.encode(),
        uri.port or 0,
    )
    if uri.headers:
        fields = sorted(_plain(x).lower() for x in uri.headers.split(b"&"))
        head += b"?" + b"&".join(fields)
    return head


def _parameters(uri: SipUri) -> dict[bytes, bytes]:
    found = {}
    for name, value in uri.parameters.items():
        text = _plain(value or b"").lower()
        if name == "maddr":
            text = canonical_host(text.decode("latin-1")).encode()
        found[_plain(name.encode("latin-1")).lower()] = text
    return found


def _plain(text: bytes) -> bytes:
    """``text`` without needless escapes: only unreserved characters are equal to their
    escaped form (section 19.1.4)."""
    return _ESCAPE.sub(_unescaped, text) if PERCENT in text else text


def _unescaped(match: re.Match[bytes]) -> bytes:
    byte = int(match[1], 16)
    return bytes((byte,)) if byte in _UNRESERVED else match[0].upper()
