"""The answer to nearly every request, read in four places and left alone otherwise.

A 1xx or 2xx in the plainest form passes by the parser of ``message.py``; whatever is
odd about one sends it there.
"""

from proxy.sip.message import VISIBLE


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

    Plain means: no control characters (they could
    hide a header from us), nothing folded, the top Via right below the status line,
    and a Content-Length that fits.
    """
    end = data.find(b"\r\n\r\n")
    via = data.find(b"\r\n")
    if not data.startswith(b"\r\nVia: SIP/2.0/", via) or end < 0:
        return None
    via_end = data.find(b"\r\n", via + 2)
    branch_at = data.find(b";branch=", via, via_end)
    cseq = data.find(b"\r\nCSeq: ", via, end)
    length = data.find(b"\r\nContent-Length:", via, end)
    head = data[:end]
    if (
        branch_at < 0
        or cseq < 0
        or length < 0
        or head.translate(None, VISIBLE).replace(b"\r\n", b"")
        or b"\r\n " in head
        or b"\r\n\t" in head
    ):
        return None
    lower = head.lower()
    if lower.count(b"\ncontent-length") > 1 or b"\nl" in lower:
        return None  # a second length is how a message is hidden in another one
    value = data[branch_at + 8 : via_end]
    method = data[cseq + 8 : data.find(b"\r\n", cseq + 8)].rpartition(b" ")[2]
    branch, comma, others = value.partition(b",")
    try:
        status = int(data[8:11])
        text = data[length + 17 : data.find(b"\r\n", length + 17)].strip()
        size = int(text)
    except ValueError:
        return None
    if (
        b'"' in value
        or b" " in branch
        or b"\t" in branch
        or not method.isalpha()
        or not text.isdigit()
        or size != len(data) - end - 4
        or not 100 <= status < 300
        or data[:8] != b"SIP/2.0 "
        or data[11:12] != b" "
    ):
        return None
    rest = data[: via + 7] + others.lstrip() if comma else data[:via]
    return PlainResponse(
        status,
        data[via + 7 : branch_at],
        branch.partition(b";")[0],
        method,
        rest + data[via_end:],
    )
