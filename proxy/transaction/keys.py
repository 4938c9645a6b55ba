"""Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3)."""

from proxy.sip.message import Request

_NEW_CALL = (b"INVITE", b"ACK")


def server_key(request: Request, method: bytes | None = None) -> bytes:
    """The key of the server transaction that ``request`` creates or belongs to.

    ``request.via`` has been read.  ACK has the key of its INVITE.  ``method`` asks for
    the key under another method: that of the INVITE which a CANCEL wants to stop.
    """
    via = request.via
    assert via is not None
    if method is None:
        method = request.method
        if method == b"ACK":
            method = b"INVITE"
    branch = via.branch
    if branch is not None and (
        branch.startswith(b"z9hG4bK") or branch[:7].lower() == b"z9hg4bk"
    ):
        return b"%b %b %b" % (branch, via.head.sent_by, method)
    return _legacy_key(request, method)


def _legacy_key(request: Request, method: bytes) -> bytes:
    """The matching rules for RFC 2543 clients, which send no usable branch.

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
