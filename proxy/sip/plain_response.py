"""The answer to nearly every request, read in four places and left alone otherwise.

A 1xx or 2xx in the plainest form passes by the parser of ``message.py``; whatever is
odd about one sends it there.
"""

from typing import Final

from proxy.sip.grammar import (
    COMMA,
    LESS_THAN,
    QUOTE,
    SEMICOLON,
    SPACE,
    TAB,
    is_visible,
    says_length,
)
from proxy.sip.kept import keep

_STATUSES: Final = {b"SIP/2.0 %d " % n: n for n in range(100, 300)}
_MANY: Final = 128  # lines; more are nothing plain
_BIG_C: Final = 0x43
_SMALL_C: Final = 0x63
_BIG_L: Final = 0x4C
_SMALL_L: Final = 0x6C
_BIG_P: Final = 0x50
_SMALL_P: Final = 0x70
_BIG_R: Final = 0x52
_SMALL_R: Final = 0x72
_methods: Final[dict[bytes, bytes]] = {}


class PlainResponse:
    """A 1xx or 2xx in the plainest form, of which only what routing needs was read.

    ``branch`` is that of the top Via and ``sent_by`` the text before it, ``method``
    that of CSeq.
    """

    __slots__ = ("_forwarded", "branch", "method", "sent_by", "status")

    def __init__(
        self, status: int, sent_by: bytes, branch: bytes, method: bytes, rest: bytes
    ) -> None:
        self.status = status
        self.sent_by = sent_by
        self.branch = branch
        self.method = method
        self._forwarded = rest

    def forwarded(self) -> bytes:
        """The response without its topmost Via value."""
        return self._forwarded


def read_plain_response(data: bytes) -> PlainResponse | None:
    """A 1xx or 2xx that needs no closer look; None: parse it.

    Plain means: no control characters (they could hide a header from us), nothing
    folded, the top Via right below the status line, and one Content-Length that fits.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n", _MANY)  # what is left then is not visible
    start = lines[0]
    status = _STATUSES.get(start[:12])
    if status is None or not end or len(lines) < 4 or not is_visible(lines):
        return None
    via = lines[1]
    front, found, value = via.partition(b";branch=")
    if not found or not front.startswith(b"Via: SIP/2.0/"):
        return None
    if QUOTE in value or COMMA in front:
        return None
    method = _cseq_method(lines, len(body))
    if method is None:
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
    return PlainResponse(
        status, front, branch, method, rest + data[len(start) + 2 + len(via) :]
    )


def _cseq_method(lines: list[bytes], size: int) -> bytes | None:
    """The method of CSeq, when the lines are plain and say that length, once."""
    cseq: bytes | None = None
    has_length = False
    for line in lines:
        first = line[0]
        if first in (_BIG_C, _SMALL_C):
            if cseq is None and line.startswith(b"CSeq: "):
                cseq = line
            elif line.startswith(b"Content-Length:"):
                if has_length or not says_length(line, size):
                    return None
                has_length = True
            elif line[7:8] == b"-" and line[:14].lower() == b"content-length":
                return None  # a second length hides a message in another one
        elif first in (SPACE, TAB, _BIG_L, _SMALL_L, _BIG_P, _SMALL_P):
            # Folded, a length in its compact form, or P-Asserted-Identity, which is
            # not everybody's to say.
            return None
        elif first in (_BIG_R, _SMALL_R) and line[:7].lower() == b"remote-":
            return None  # Remote-Party-ID, the same
    return _method_of(cseq) if cseq is not None and has_length else None


def _method_of(cseq: bytes) -> bytes | None:
    method = _methods.get(cseq)
    if method is None:
        number, _, method = cseq[6:].partition(b" ")
        if not number.isdigit() or len(number) > 9 or not method.isalpha():
            return None
        keep(_methods, cseq, method)
    return method
