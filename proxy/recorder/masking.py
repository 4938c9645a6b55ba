"""What a message must lose before it may be kept: bodies, credentials, tokens.

Only values are masked and lines stay lines, so that tools can still read the message.
In doubt we mask too much rather than too little.  Nothing here raises, whatever a
stranger has sent.
"""

import re
from typing import Final

from proxy.sip.masking import GONE, masked_text
from proxy.sip.names import COMPACT

UNREADABLE: Final = b"(not SIP: not kept)"

_BREAK: Final = re.compile(rb"(\r\n|\r|\n)")
_NAME: Final = re.compile(rb"[ \t]*([^\s:]+)[ \t]*:")
_START: Final = re.compile(
    rb"SIP/\d+\.\d+ \d{3}(?: |\Z)|[A-Za-z0-9.!%*_+`'~-]{1,40} .{0,4096} SIP/\d+\.\d+\Z",
    re.IGNORECASE | re.DOTALL,
)
_SECRET_NAMES: Final = re.compile(
    rb"auth|token|secret|passw|passphrase|\bpwd\b|credential|cookie|api-?key|ticket"
    rb"|(?:^|[-_])key(?:$|[-_])|signature|^identity$|^p-dcs-|private|bearer|session-?key"
)
"""Parts of header names (in lower case) whose values are secret."""
_SCHEMES: Final = re.compile(
    rb"[ \t]*(Digest|Basic|Bearer|NTLM|Kerberos|TLS-DSK|Negotiate)(?=[ \t\r\n])",
    re.IGNORECASE,
)
_ROUTES: Final = frozenset({b"route", b"record-route", b"path", b"service-route"})
_EXACT: Final = frozenset(
    {
        *(b"via", b"call-id", b"cseq", b"max-forwards", b"content-length"),
        *(b"in-reply-to", b"expires", b"timestamp", b"content-type"),
    }
)
"""Fields whose values stay: they hold no URI and no secret, and tools compare them."""

_LONG_NAMES: Final = {short.encode(): full.encode() for short, full in COMPACT.items()}


def masked_head(data: bytes) -> tuple[bytes, bytes]:
    """A message's head as it may be kept, and its body as it came."""
    head, _, body = data.partition(b"\r\n\r\n")
    pieces = _BREAK.split(head)
    for place in range(0, len(pieces), 2):
        if place and not pieces[place]:
            # An empty line that ends in a bare CR or LF: a lenient reader ends the
            # head here, so we take what follows for the body.
            body = b"".join(pieces[place + 2 :]) + body
            pieces = pieces[: place - 1]
            break
    if not _START.match(pieces[0]):
        return UNREADABLE, data
    pieces[0] = masked_text(pieces[0])
    _mask_lines(pieces)
    return b"".join(pieces) + b"\r\n\r\n", body


def body_mask(head: bytes, size: int) -> bytes:
    """What stands for a body of ``size`` bytes that was not kept.

    It is as long as the body was, so that Content-Length stays true.  For SDP it is one
    line of SDP, because a reader of SDP wants one.
    """
    return (b"s=" + b"*" * size)[:size] if b"sdp" in head.lower() else b"*" * size


def _mask_lines(pieces: list[bytes]) -> None:
    """Mask the header lines: every second piece from the third on."""
    name = b""
    for place in range(2, len(pieces), 2):
        line = pieces[place]
        if line[:1] in (b" ", b"\t"):  # a fold: it belongs to the field above
            pieces[place] = line[:1] + _masked_value(name, line[1:], is_first=False)
            continue
        match = _NAME.match(line)
        if match is None:
            name = b"?"
            pieces[place] = GONE
            continue
        name = match[1].lower()
        name = _LONG_NAMES.get(name, name)
        front = match.end()
        pieces[place] = line[:front] + _masked_value(name, line[front:], is_first=True)


def _masked_value(name: bytes, value: bytes, *, is_first: bool) -> bytes:
    if name in _EXACT:
        return value
    if name == b"?" or _SECRET_NAMES.search(name):
        scheme = _SCHEMES.match(value) if is_first else None
        return b" %b%b" % (scheme[1] + b" " if scheme else b"", GONE)
    return masked_text(value, name in _ROUTES)
