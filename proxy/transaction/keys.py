"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3)."""

from collections.abc import Iterable, Iterator
from typing import Final
from zlib import crc32

from proxy.sip.grammar import CR, SPACE
from proxy.sip.kept import keep
from proxy.sip.message import Request

CANCELLABLE: Final = tuple(
    b"INVITE BYE INFO MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SERVICE"
    b" SUBSCRIBE UPDATE".split()
)
"""Methods of requests that a CANCEL may mean; INVITE first, as nearly always."""

_call_marks: Final[dict[bytes, bytes]] = {}
_numbers: Final[dict[bytes, bytes]] = {}


def server_key(request: Request, method: bytes | None = None) -> bytes:
    """The key of the server transaction that ``request`` creates or belongs to.

    ``request.via`` has been read.  ACK has the key of its INVITE.  ``method`` asks for
    the key under another method: that of the request which a CANCEL wants to stop.

    Branch, sent-by and method are what the RFC compares, tokens and hosts in any case.
    Call-ID and CSeq number are the same in a request, its repetitions, its CANCEL and
    the ACK of its failure; with them two requests stay two when a client uses one
    branch again, as for a REGISTER that it repeats with credentials.
    """
    via = request.via
    assert via is not None
    if method is None:
        method = request.method
        if method == b"ACK":
            method = b"INVITE"
    branch = via.branch
    if branch is not None and (
        (branch.startswith(b"z9hG4bK") and len(branch) > 7) or via.has_magic_branch
    ):
        # One allocation for all of them, where sums make four.
        return b"".join(
            (
                branch.lower(),
                via.head.mark,
                _number(request),
                method,
                _call_mark(request),
            )
        )
    return _legacy_key(request, method)


def _number(request: Request) -> bytes:
    """The CSeq number and a space; dialogs count in the same few lines."""
    line = request.lines[request.index["cseq"]]
    number = _numbers.get(line)
    if number is None:
        number = b"%d " % request.cseq()[0]
        keep(_numbers, line, number)
    return number


def _call_mark(request: Request) -> bytes:
    """Four bytes for the Call-ID, which all requests of a call repeat."""
    line = request.lines[request.index.get("call-id", 0)]
    mark = _call_marks.get(line)
    if mark is None:
        mark = crc32(_call_id(request)).to_bytes(4, "big")
        keep(_call_marks, line, mark)
    return mark


def _call_id(request: Request) -> bytes:
    """Call-ID; of a line in the plainest form it is what stands behind the name."""
    line = request.lines[request.index.get("call-id", 0)]
    if (
        line.startswith(b"Call-ID: ")
        and len(line) > 9
        and line[9] > SPACE
        and line[-1] > SPACE
        and CR not in line
    ):
        return line[9:]
    return request.required("call-id")


def cancelled_keys(request: Request, more: Iterable[bytes] = ()) -> Iterator[bytes]:
    """The keys that what a CANCEL means may have: it may be of any method (section
    9.2); ``more`` are methods of no RFC."""
    for method in (*CANCELLABLE, *more):
        yield server_key(request, method)


def _legacy_key(request: Request, method: bytes) -> bytes:
    """The matching rules for RFC 2543 clients, which send no usable branch: none, one
    without the cookie, or the bare cookie, which names nothing (RFC 4475, badbranch).

    Request-URI, From tag, Call-ID, CSeq number and top Via must agree; for anything
    but INVITE and its ACK the To tag as well.  The CSeq method is that of the key, so
    that an ACK finds its INVITE and a CANCEL can ask for it.
    """
    assert request.via is not None
    to_tag = b"" if method == b"INVITE" else request.to_tag() or b""
    return b"\n".join(
        (
            b"2543",
            method,
            request.uri,
            request.from_tag() or b"",
            to_tag,
            request.required("call-id"),
            b"%d" % request.cseq()[0],
            request.via.value,
        )
    )
