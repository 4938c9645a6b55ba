"""Messages for tests: a start line, the defaults of a plain client, and what differs.

`request` and `response` return bytes, the form in which the proxy gets them.
"""

from proxy.sip.message import Request, Response, parse_message

ALIAS = "sip:ocschat@contoso.test"
_PHRASES = {100: "Trying", 180: "Ringing", 200: "OK", 503: "Service Unavailable"}
_ECHOED = ("via", "record-route", "from", "to", "call-id", "cseq")


def request(
    start: str = f"INVITE {ALIAS}",
    *extra: str,
    via: str | list[str] | None = None,
    transport: str = "UDP",
    branch: str | None = "z9hG4bK-1",
    max_forwards: int | str | None = 70,
    from_: str = "<sip:alice@contoso.test>;tag=alice-1",
    to: str | None = None,
    call_id: str = "call-1",
    cseq: int | str = 1,
    body: bytes = b"",
) -> bytes:
    """A request; `start` is method and Request-URI, `extra` are whole header lines.

    `via` replaces the client's own Via, one string per line; `branch=None` makes the
    Via of an RFC 2543 client; `max_forwards=None` leaves the header out.
    """
    method, uri, *version = start.split(" ", 2)
    if via is None:
        mark = f";branch={branch}" if branch else ""
        via = f"SIP/2.0/{transport} 10.1.0.9:40000{mark}"
    vias = [via] if isinstance(via, str) else via
    cseq = cseq if isinstance(cseq, str) else f"{cseq} {method}"
    lines = [
        f"{method} {uri} {version[0] if version else 'SIP/2.0'}",
        *(f"Via: {value}" for value in vias),
        *([f"Max-Forwards: {max_forwards}"] if max_forwards is not None else []),
        f"From: {from_}",
        f"To: {to if to is not None else f'<{uri}>'}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq}",
        *extra,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def response(
    to: bytes,
    status: int,
    *extra: str,
    reason: str | None = None,
    to_tag: str | None = "pool-1",
    body: bytes = b"",
) -> bytes:
    """What a UAS answers to the request `to` (RFC 3261 section 8.2.6)."""
    asked = read(to)
    lines = [f"SIP/2.0 {status} {reason or _PHRASES.get(status, 'Whatever')}".encode()]
    for line, name in zip(asked.lines, asked.names, strict=True):
        if name in _ECHOED:
            if name == "to" and to_tag and status > 100 and b"tag=" not in line:
                line += b";tag=" + to_tag.encode()
            lines.append(line)
    lines += [line.encode() for line in extra]
    lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def read(data: bytes) -> Request | Response:
    """What the proxy's own parser makes of these bytes."""
    return parse_message(data)


def lines_of(data: bytes, name: str) -> list[bytes]:
    """The lines of a message whose header name is `name`, whatever its case."""
    head = data.partition(b"\r\n\r\n")[0]
    prefix = name.lower().encode() + b":"
    return [x for x in head.split(b"\r\n")[1:] if x.lower().startswith(prefix)]


def line_of(data: bytes, name: str) -> bytes:
    """The one line of that header; fails when there are none or several."""
    (line,) = lines_of(data, name)
    return line
