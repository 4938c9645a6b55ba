"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3)."""

from collections.abc import Iterable, Iterator
from typing import Final
from zlib import crc32

from proxy.sip.cache import keep
from proxy.sip.grammar import CR, SPACE
from proxy.sip.message import Request

CANCELLABLE: Final = tuple(
    b"INVITE BYE INFO MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SERVICE"
    b" SUBSCRIBE UPDATE".split()
)
"""Methods of requests that a CANCEL may stop; INVITE first, because nearly every CANCEL
is for one."""

_call_marks: Final[dict[bytes, bytes]] = {}
_numbers: Final[dict[bytes, bytes]] = {}


def server_key(request: Request, method: bytes | None = None) -> bytes:
    """The key of the server transaction that ``request`` creates or belongs to.

    ``request.via`` must have been read.  An ACK has the key of its INVITE.  With
    ``method`` the key is made as if the request had that method: a CANCEL finds the
    request that it stops this way (section 9.2).

    Section 17.2.3 compares branch, sent-by and method, without regard to case where
    section 7.3.1 says so.  We add Call-ID and CSeq number (decision 25), which are the
    same in a request, its repetitions, its CANCEL and the ACK of its failure.  Some
    clients use a branch twice, as for a REGISTER that they repeat with credentials;
    thanks to the two fields the second request is then not taken for a repetition.
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
        # ``join`` allocates once; four additions would allocate four times.
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
    """The CSeq number and a space, remembered by line: the numbers in use are few."""
    line = request.lines[request.index["cseq"]]
    number = _numbers.get(line)
    if number is None:
        number = b"%d " % request.cseq()[0]
        keep(_numbers, line, number)
    return number


def _call_mark(request: Request) -> bytes:
    """A CRC-32 of the Call-ID, remembered by line: all requests of a call repeat it.

    Four bytes are enough, because the branch beside them is what tells transactions
    apart.
    """
    line = request.lines[request.index.get("call-id", 0)]
    mark = _call_marks.get(line)
    if mark is None:
        mark = crc32(_call_id(request)).to_bytes(4, "big")
        keep(_call_marks, line, mark)
    return mark


def _call_id(request: Request) -> bytes:
    """The Call-ID; a line in the plainest form is cut without the general reader."""
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
    """The keys that the request stopped by this CANCEL may have.

    A CANCEL does not name the method of its request, and section 9.2 matches it to any
    request but ACK and CANCEL.  ``more`` are methods beyond those of the RFCs.
    """
    for method in (*CANCELLABLE, *more):
        yield server_key(request, method)


def _legacy_key(request: Request, method: bytes) -> bytes:
    """The key by the matching rules for RFC 2543 clients (section 17.2.3).

    They apply where no branch can be used: it is missing, it lacks the cookie, or it is
    the bare cookie, which identifies nothing (RFC 4475 section 3.2.1).

    Request-URI, From tag, Call-ID, CSeq number and top Via must agree, and the To tag
    as well for anything but INVITE and its ACK.  The key has ``method`` in place of the
    CSeq method: so an ACK finds its INVITE, and a CANCEL its request.
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
