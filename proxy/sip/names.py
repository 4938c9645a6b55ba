"""Names of header fields and methods, each in one spelling.

The name of a header field may be written in any case (RFC 3261 section 7.3.1), and some
have a compact form (section 7.3.3).  Messages use few spellings, so those that have
come are remembered.
"""

import re
from typing import Final

# RFC 4475 3.1.1.2 (intmeth) uses every token character in a header name, and its
# 3.1.1.4 (esc02) relies on '%' being one.  Bytes above 0x7F and other separators are
# not token characters.
HEADER_NAME: Final = re.compile(rb"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]*\Z")

COMPACT: Final[dict[str, str]] = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact forms (RFC 3261 section 7.3.3 and the IANA registry)."""

_COMMON_NAMES: Final = (
    "Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow "
    "Allow-Events Authentication-Info Authorization Call-ID Call-Info Contact "
    "Content-Disposition Content-Encoding Content-Language Content-Length "
    "Content-Type CSeq Date Diversion Error-Info Event Expires From In-Reply-To "
    "Max-Breadth Max-Forwards MIME-Version Min-Expires Min-SE Organization "
    "P-Asserted-Identity P-Preferred-Identity Path Priority Privacy "
    "Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization Proxy-Require "
    "RAck Reason Record-Route Refer-To Referred-By Reply-To Require Retry-After "
    "Route RSeq Server Service-Route Session-Expires Subject Subscription-State "
    "Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate "
    "ms-client-diagnostics ms-diagnostics ms-diagnostics-public ms-keep-alive"
).split()


def _initial_names() -> dict[bytes, str]:
    names: dict[bytes, str] = {}
    for name in _COMMON_NAMES:
        for spelling in (name, name.lower(), name.upper(), name.title()):
            names[spelling.encode()] = name.lower()
    for short, full in COMPACT.items():
        names[short.encode()] = names[short.upper().encode()] = full
    return names


_NAMES_KEPT: Final = 4096
_NAME_KEPT: Final = 64  # bytes

known_names: Final = _initial_names()
"""Spelling on the wire → canonical (lower case, long) name; ``canonical_name`` adds
those that it meets."""

METHODS: Final = {
    word: word
    for word in b"INVITE ACK BYE CANCEL OPTIONS REGISTER SUBSCRIBE NOTIFY BENOTIFY INFO"
    b" UPDATE MESSAGE REFER PRACK PUBLISH SERVICE".split()
}
"""The usual methods, one object for each: its hash is computed once."""


def _common_starts() -> list[list[tuple[bytes, str]]]:
    starts: list[list[tuple[bytes, str]]] = [[] for _ in range(256)]
    for name in (
        "Via From To Call-ID CSeq Content-Length Contact Content-Type Max-Forwards "
        "Route Record-Route User-Agent Supported Server Subscription-State "
        "Allow Allow-Events Accept Event Expires Proxy-Require"
    ).split():
        starts[ord(name[0])].append((name.encode() + b":", name.lower()))
    return starts


COMMON_STARTS: Final = _common_starts()
"""First byte of a line → the usual names up to their colon, most frequent first."""


def canonical_name(raw: bytes) -> str | None:
    """The canonical form of a header name as it stood before the colon.

    None when it is anything but a token and perhaps spaces and tabs behind it.  With a
    control character there, the next server could read another header field than we do
    (AST-2016-009), so such a message is refused and not passed on.
    """
    name = known_names.get(raw)
    if name is not None:
        return name
    match = HEADER_NAME.match(raw)
    if match is None:
        return None
    name = match[1].decode("ascii").lower()
    name = COMPACT.get(name, name)
    if len(known_names) < _NAMES_KEPT and len(raw) <= _NAME_KEPT:
        known_names[raw] = name
    return name
