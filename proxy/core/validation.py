"""Request validation (RFC 3261 section 16.3), in the order of the RFC.

``check_request`` and ``check_forwarding`` return a refusal, or None.
"""

from typing import Final, NamedTuple

from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_tokens, tag_of_line
from proxy.sip.grammar import COLON, SPACE, TAB, split_values, unfold
from proxy.sip.limits import MessageLimits
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri

PROXY_REQUIRE: Final = frozenset({"ms-benotify"})
"""Option tags in Proxy-Require that ask nothing of us.  Legacy clients put
``ms-benotify`` on every SUBSCRIBE, and we forward BENOTIFY like any other method."""

ALLOW: Final = (
    b"Allow: INVITE, ACK, CANCEL, BYE, INFO, UPDATE, OPTIONS, SUBSCRIBE, NOTIFY, "
    b"BENOTIFY, MESSAGE, SERVICE, REFER, PRACK, PUBLISH, REGISTER"
)

COUNTED_METHODS: Final = tuple(
    b"INVITE ACK BYE CANCEL OPTIONS REGISTER SUBSCRIBE NOTIFY BENOTIFY INFO UPDATE"
    b" MESSAGE REFER PRACK PUBLISH SERVICE".split()
)
"""Each of these methods has a counter of its own; all others share one."""

MAX_FORWARDS: Final = 255  # section 20.22: the largest that may be written
_LEAST: Final = 6  # bytes of the shortest Route value and its comma; a Via has more
_HOPS: Final = {b"Max-Forwards: %d" % n: n for n in range(MAX_FORWARDS + 1)}


SILENT: Final = 408
"""The status when somebody got the INVITE and kept silent; of several failures of one
search the caller is told this one."""


class Refusal(NamedTuple):
    """Why a request is not processed: the response to send.

    ``endpoint`` is the key of the retired endpoint that was dialled, for the ledger.
    ``cause`` tells refusals of one status apart, for the counters.
    """

    status: int
    reason: str = ""
    extra: tuple[bytes, ...] = ()
    endpoint: str = ""
    cause: str = ""


def check_request(request: Request, limits: MessageLimits) -> Refusal | None:
    """What every element refuses (section 16.3 items 1 and 2); None when the request
    may go on.  The top Via has been read.
    """
    try:
        _check_syntax(request, limits)
    except MalformedMessage as error:
        return Refusal(error.status, error.reason)
    if request.method == b"NEGOTIATE":
        # [MS-SIPCOMP]: NEGOTIATE asks for compression of this connection, and has
        # Max-Forwards 0.  We do not compress.
        return Refusal(405, "Compression Not Offered", (ALLOW,))
    return None


def check_forwarding(request: Request) -> Refusal | None:
    """What only a proxy refuses (section 16.3 items 3 and 5; RFC 5393).

    A request for ourselves is answered all the same.  The loop check of item 4 is in
    ``Branches.is_looping``, because it needs our own branches.
    """
    if request.hops == 0:
        return Refusal(483)
    if "max-breadth" in request.index and _max_breadth(request) == 0:
        return Refusal(440)
    if "proxy-require" in request.index:
        return _check_proxy_require(request)
    return None


def _check_syntax(request: Request, limits: MessageLimits) -> None:
    uri = request.uri
    if len(uri) > limits.uri:
        raise MalformedMessage("Request-URI Too Long", 414)
    # Section 19.1.1, table 1: header fields have no place in a Request-URI.
    if parse_uri(uri).headers:
        raise MalformedMessage("Request-URI with header fields")
    if request.cseq()[1] != request.method:
        raise MalformedMessage("CSeq method does not match the request")
    index, lines = request.index, request.lines
    # Section 16.3 item 3: a request without Max-Forwards may go on.
    position = index.get("max-forwards")
    if position is not None:
        line = lines[position]
        hops = _HOPS.get(line)
        request.hops = _read_hops(line) if hops is None else hops
    tag_of_line(lines[index["from"]])
    tag_of_line(lines[index["to"]])
    last = lines[index["call-id"]][-1]
    if last in (COLON, SPACE, TAB) and not request.value("call-id"):
        raise MalformedMessage("Empty call-id header field")
    _check_counts(request, limits)


def _check_counts(request: Request, limits: MessageLimits) -> None:
    """Limit the values of Via and Route, on however many lines (section 7.3.1).

    When no name stands twice and both lines are short, they cannot hold too many, and
    nothing is counted.
    """
    index, lines = request.index, request.lines
    route = index.get("route", 0)
    if (
        len(index) == len(lines)
        and len(lines[index["via"]]) < _LEAST * limits.via_hops
        and (not route or len(lines[route]) < _LEAST * limits.route_entries)
    ):
        return
    if has_more_values(request, "via", limits.via_hops) or has_more_values(
        request, "route", limits.route_entries
    ):
        raise MalformedMessage("Too many Via or Route entries", 513)


def has_more_values(request: Request, name: str, most: int) -> bool:
    """Whether a header field has more values than ``most``, on however many lines.

    Commas are counted first: nearly always there are too few, and no line has to be
    split.
    """
    if name not in request.index:
        return False
    names = request.names
    found = [x for i, x in enumerate(request.lines) if names[i] == name]
    if sum([line.count(b",") + 1 for line in found]) <= most:
        return False
    values = [split_values(unfold(line.partition(b":")[2])) for line in found]
    return sum(map(len, values)) > most


def _read_hops(line: bytes) -> int:
    text = line.partition(b":")[2].strip()
    if not text.isdigit() or len(text) > 10 or int(text) > MAX_FORWARDS:
        raise MalformedMessage("Bad Max-Forwards")
    return int(text)


def _max_breadth(request: Request) -> int:
    # RFC 5393 section 5.3.3: an unreadable value counts as the default of 60.
    text = request.value("max-breadth") or b""
    return int(text) if text.isdigit() and len(text) < 10 else 60


def _check_proxy_require(request: Request) -> Refusal | None:
    # Section 8.2.2.3: it has no place in CANCEL and ACK, and an ACK gets no answer.
    if request.method in (b"CANCEL", b"ACK"):
        return None
    return unsupported(request, "proxy-require", PROXY_REQUIRE)


def unsupported(request: Request, name: str, known: frozenset[str]) -> Refusal | None:
    """420 for option tags in this header field that are not among the ``known``."""
    try:
        tags = parse_tokens(request.values(name))
    except MalformedMessage as error:
        return Refusal(error.status, error.reason)
    unknown = [tag for tag in tags if tag not in known]
    if not unknown:
        return None
    return Refusal(420, "", (b"Unsupported: " + ", ".join(unknown).encode(),))
