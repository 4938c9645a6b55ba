"""Our own responses (RFC 3261 section 8.2.6), with ms-diagnostics.

Header fields of the request are copied as whole lines.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from proxy.core.validation import Refusal
from proxy.sip.errors import MalformedMessage
from proxy.sip.grammar import CR, LF, NUL, is_visible
from proxy.sip.message import Request

REASONS: Final[dict[int, str]] = {
    100: "Trying",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    423: "Interval Too Brief",
    430: "Flow Failed",
    439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    487: "Request Terminated",
    500: "Server Internal Error",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
}
OUR_TAG: Final = b"wp"
"""How the To tags of our own answers begin, so that we know their ACK (decision 26)."""
_COPIED: Final = frozenset({"via", "from", "to", "call-id", "cseq"})

# [MS-OCER] section 2.2.1: SIP stack 1000-1999, user services 4000-4999, applications
# 5000-5999 (which is what we are in a Lync topology), common ones below 1000.
DIAGNOSTICS: Final[dict[str, tuple[int, str]]] = {
    "unavailable": (1, "Service unavailable"),
    "no such user": (1003, "User does not exist"),
    "stale route": (1004, "Route set is no longer valid"),
    "foreign domain": (1005, "Cannot route to destination domain"),
    "flow gone": (1006, "Error routing on client connection"),
    "unreachable": (1007, "Temporarily cannot route"),
    "srv": (1008, "Unable to resolve DNS SRV record"),
    "tls": (
        1010,
        "Certificate trust with next-hop server could not be established",
    ),
    "no diagnostics": (1011, "ms-diagnostics header not provided by previous hop"),
    "address": (1014, "Unable to resolve DNS A record"),
    "not routable": (1022, "Cannot process routing destination"),
    "not allowed": (
        4004,
        "Credentials provided are not authorized to act as specified from URI",
    ),
    "timeout": (5001, "Request timed out"),
    "cancelled": (5002, "Request was cancelled"),
    "internal": (5003, "Internal processing failure"),
    "unreadable": (5004, "Failed parsing the incoming request"),
}
_BY_STATUS: Final[dict[int, str]] = {
    **dict.fromkeys((400, 413, 414, 416, 505, 513), "unreadable"),
    403: "not allowed",
    404: "no such user",
    408: "timeout",
    410: "no such user",
    480: "flow gone",
    481: "stale route",
    487: "cancelled",
    500: "internal",
    503: "unavailable",
    504: "unreachable",
}
"""The key of DIAGNOSTICS for a refusal without a cause of its own; "not routable" for
any other status (decision 55)."""
_CHALLENGE: Final = 401


def diagnostics(key: str, source: str, **pairs: str) -> bytes:
    """An ``ms-diagnostics`` line for one of ``DIAGNOSTICS``.

    ``source`` is our FQDN; ``pairs`` are further name=value pairs, which the grammar
    allows and administrators read in their traces.  None of them may be called ``key``
    or ``source``: mypyc would bind it to the positional parameter of that name.
    """
    number, reason = DIAGNOSTICS[key]
    text = f'ms-diagnostics: {number};source="{source}";reason="{reason}"'
    for name, value in pairs.items():
        if value:
            text += f';{name}="{_quotable(value)}"'
    return text.encode()


def _quotable(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c not in '"\\')[:200]


def refuse(request: Request, refusal: Refusal, source: str) -> bytes:
    """The response for a refusal; every failure of ours carries ms-diagnostics.

    A challenge does not, because it only asks for credentials, nor does a success.
    """
    status, reason, extra, _, _ = refusal
    if (
        status >= 300
        and status != _CHALLENGE
        and not any(line.startswith(b"ms-diagnostics") for line in extra)
    ):
        key = _BY_STATUS.get(status, "not routable")
        extra = (*extra, diagnostics(key, source, cause=reason or REASONS[status]))
        if key == "unreadable":
            request = fit_to_copy(request)
    return reply(request, status, reason, extra)


def fit_to_copy(request: Request) -> Request:
    """The request without the lines that would make our answer malformed.

    The request was refused for a bare CR or LF, or another control character (RFC 3261
    section 25.1).  An answer must not copy it: with a forged source, the receiver could
    take it for the end of a line, and read a header field that an attacker wrote.
    """
    lines, names = request.lines, request.names
    if is_visible(lines):
        return request
    fit = [i for i, line in enumerate(lines) if i == 0 or _is_fit(names[i], line)]
    names = [names[i] for i in fit]
    index = {names[i]: i for i in range(len(names) - 1, -1, -1)}
    copied = Request(
        [lines[i] for i in fit], names, index, b"", request.method, request.uri
    )
    copied.via = request.via
    return copied


def _is_fit(name: str, line: bytes) -> bool:
    """Whether an answer may copy this line; lines that are never copied are not fit.

    A Via stays if its control characters cannot end a line, because the answer needs
    it.  In a logical line every CRLF is a fold.
    """
    if name not in _COPIED:
        return False
    line = line.replace(b"\r\n", b"")
    if is_visible([line]):
        return True
    return name == "via" and not (CR in line or LF in line or NUL in line)


def to_tag_for(request: Request) -> bytes:
    """The To tag of our responses to a request, computed from the request alone.

    All of them have the same tag, and it can be computed from their ACK and CANCEL too
    (sections 8.2.7 and 9.2; decision 26).  It is Python's keyed hash: nobody outside
    can guess it, and all workers of a node, which are forked, make the same one.
    """
    via, index = request.via, request.index
    branch = via.branch if via is not None and via.has_magic_branch else None
    caller, number = b"", 0
    with suppress(MalformedMessage):
        caller = (request.from_tag() or b"") if "from" in index else b""
        number = request.cseq()[0] if "cseq" in index else 0
    origin = (branch, caller, request.value("call-id"), number)
    return b"%b%016x" % (OUR_TAG, hash(origin) & 0xFFFFFFFFFFFFFFFF)


def reply(
    request: Request,
    status: int,
    reason: str = "",
    extra: Sequence[bytes] = (),
) -> bytes:
    """A response to ``request``: Via, From, To, Call-ID and CSeq as they came.

    A To without tag gets one, except on 100 Trying.  ``extra`` are whole lines.
    """
    names = request.names
    if not reason.isprintable():
        reason = _quotable(reason)  # an unescaped user part may hold line breaks
    lines = [b"SIP/2.0 %d %b" % (status, (reason or REASONS[status]).encode())]
    for position, line in enumerate(request.lines):
        name = names[position]
        if name in _COPIED:
            if name == "to" and status > 100 and not _has_tag(request):
                line = line + b";tag=" + to_tag_for(request)
            lines.append(line)
        elif name == "timestamp" and status == 100:  # section 8.2.6.1
            lines.append(line)
    lines.extend(extra)
    lines.append(b"Content-Length: 0\r\n\r\n")
    return b"\r\n".join(lines)


def _has_tag(request: Request) -> bool:
    """True when To has a tag, or cannot be read: no tag must be added then."""
    try:
        return request.to_tag() is not None
    except MalformedMessage:
        return True


def has_to_tag(request: Request) -> bool:
    """True inside a dialog; False too when To cannot be read."""
    try:
        return request.to_tag() is not None
    except MalformedMessage:
        return False
