"""The fast reader for 1xx and 2xx responses in their plainest form.

Nearly every response is one, and routing needs only four of its lines.  A response with
anything odd about it goes to the parser of ``message.py`` instead.
"""

from typing import Final

from proxy.sip.cache import keep
from proxy.sip.content_length import NAME, is_disguised, says_length
from proxy.sip.cutting import cut
from proxy.sip.grammar import (
    COMMA,
    LESS_THAN,
    QUOTE,
    SEMICOLON,
    SPACE,
    TAB,
)
from proxy.sip.native import mypyc_attr

# Responses of 300 and more are not read here.  They are rare, and a search needs their
# header fields to decide how to go on.
_STATUSES: Final = {b"SIP/2.0 %d " % n: n for n in range(100, 300)}
_MANY: Final = 128  # lines of a plain response
_BIG_C: Final = 0x43
_SMALL_C: Final = 0x63
_BIG_L: Final = 0x4C
_SMALL_L: Final = 0x6C
_BIG_P: Final = 0x50
_SMALL_P: Final = 0x70
_BIG_R: Final = 0x52
_SMALL_R: Final = 0x72
_methods: Final[dict[bytes, bytes]] = {}


@mypyc_attr(acyclic=True, free_list_len=1)
class PlainResponse:
    """A 1xx or 2xx in its plainest form, read only as far as routing needs.

    ``branch`` is that of the top Via, ``sent_by`` the text of the line before it, and
    ``method`` that of CSeq.  ``contact`` is the first plain Contact line, empty without
    one.  ``route_at`` is where the only Record-Route line begins in the bytes that
    ``forwarded`` returns; it is negative when there is none or more than one.
    """

    __slots__ = (
        "_forwarded",
        "branch",
        "contact",
        "method",
        "route_at",
        "sent_by",
        "status",
    )

    def __init__(self, status: int, sent_by: bytes) -> None:
        self.status = status
        self.sent_by = sent_by
        self.branch = b""
        self.method = b""
        self.contact = b""
        self.route_at = -1
        self._forwarded = b""

    def forwarded(self) -> bytes:
        """The response without its topmost Via value (section 16.7 item 3)."""
        return self._forwarded

    def read(self, lines: list[bytes], size: int) -> bool:
        """Note what routing needs; False when a line is not plain.

        False as well unless exactly one Content-Length says ``size``, the bytes of the
        body.
        """
        cseq: bytes | None = None
        has_length = False
        routes = position = 0
        for line in lines:
            first = line[0]
            if first in (_BIG_C, _SMALL_C):
                if cseq is None and line.startswith(b"CSeq: "):
                    cseq = line
                elif line.startswith(b"Contact: "):
                    if not self.contact:
                        self.contact = line
                elif line.startswith(NAME):
                    if has_length or not says_length(line, size):
                        return False
                    has_length = True
                elif is_disguised(line):
                    return False  # a second length may hide a message in the body
            elif first in (SPACE, TAB, _BIG_L, _SMALL_L, _BIG_P, _SMALL_P):
                # A folded line, a Content-Length in compact form, or perhaps
                # P-Asserted-Identity, which not every peer may send (RFC 3325).
                return False
            elif first in (_BIG_R, _SMALL_R):
                if line.startswith(b"Record-Route: "):
                    routes += 1
                    self.route_at = position
                else:
                    name = line[:12].lower()
                    if name.startswith(b"remote-"):
                        return False  # Remote-Party-ID needs the same judgement
                    if name == b"record-route":
                        routes += 2  # an odd spelling: ``route_at`` stays negative
            position += len(line) + 2
        if routes != 1:
            self.route_at = -1
        if cseq is None or not has_length:
            return False
        method = _method_of(cseq)
        if method is None:
            return False
        self.method = method
        return True


def read_plain_response(data: bytes) -> PlainResponse | None:
    """A 1xx or 2xx that needs no closer look; None: parse it.

    Plain means: no control characters (they could hide a header field from us), no
    folded line, the top Via right below the status line, and one Content-Length that
    fits.
    """
    # The status first: the parser cuts any other response itself.
    status = _STATUSES.get(data[:12])
    pieces = cut(data, _MANY) if status is not None else None
    if status is None or pieces is None:
        return None
    lines, body = pieces
    if len(lines) < 4:
        return None
    start = lines[0]
    via = lines[1]
    front, found, value = via.partition(b";branch=")
    if not found or not front.startswith(b"Via: SIP/2.0/"):
        return None
    if QUOTE in value or COMMA in front:
        return None
    response = PlainResponse(status, front)
    if not response.read(lines, len(body)):
        return None
    branch = value
    rest = start
    if COMMA in value:
        if LESS_THAN in value:
            return None  # a comma behind a bracket may separate nothing
        branch, _, others = value.partition(b",")
        rest = start + b"\r\nVia: " + others.lstrip()
    if SPACE in branch or TAB in branch:
        return None
    if SEMICOLON in branch:
        branch = branch.partition(b";")[0]
    response.branch = branch
    behind = len(start) + 2 + len(via)
    response.route_at += len(rest) - behind if response.route_at >= 0 else 0
    response._forwarded = rest + data[behind:]
    return response


def _method_of(cseq: bytes) -> bytes | None:
    method = _methods.get(cseq)
    if method is None:
        number, _, method = cseq[6:].partition(b" ")
        if not number.isdigit() or len(number) > 9 or not method.isalpha():
            return None
        keep(_methods, cseq, method)
    return method
