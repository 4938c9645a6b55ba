"""Messages that are valid, and messages that somebody has broken."""

from collections.abc import Callable

from hypothesis import strategies as st

from tests.support.messages import request, response

METHODS = ("INVITE", "ACK", "BYE", "INFO", "SUBSCRIBE", "BENOTIFY", "CANCEL", "X-foo")
URIS = (
    "sip:ocschat@contoso.test",
    "sip:OCSChat@Contoso.TEST:5060;transport=udp",
    "sip:ocs%63hat@contoso.test",
    "sip:x@pcpool.contoso.test",
    "sip:10.0.0.5:5060",
    "sip:nobody@elsewhere.example",
    "sip:[2001:db8::1]:5070;lr",
    "tel:+4930123",
)
ODD_LINES = (
    "Subject: folded\r\n\tonce\r\n   twice",
    "X-Empty:",
    "X-Spaces:    a   b   ",
    "x-umlaut: grüße, 你好",
    'Contact: "a, b" <sip:a@10.1.0.9;maddr=10.1.0.9>;methods="INVITE, ACK"',
    "k: ms-sender, gruu-10",
    "m: <sip:b@10.1.0.9>",
    "Proxy-Require: ms-benotify",
    "Supported : timer",
    "ms-keep-alive: UAC;hop-hop=yes",
    "P-Asserted-Identity: <sip:alice@contoso.test>,<tel:+49>",
    "Expires: 0",
    "!weird.name*%_+`'~-0: token",
    "Route: <sip:10.0.0.5:5060;lr>",
    "Record-Route: <sip:10.9.9.9;lr>",
    "Require: 100rel",
    "v: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKold",
)
BODIES = (b"", b"v=0\r\n\r\n", bytes(range(256)), b"INVITE sip:x SIP/2.0\r\n\r\n")
FROMS = (
    "<sip:alice@contoso.test>;tag=alice-1",
    '"Alice \\" <a>" <sip:alice@contoso.test>;epid=01;tag=7',
    "sip:alice@contoso.test;tag=9",
    "Alice Cooper <sip:alice@contoso.test> ;tag = 7",
    "<sip:%ff@contoso.test>;tag=1",
)
VIAS = (
    "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1",
    "SIP/2.0/UDP 10.1.0.9:40000;rport;branch=z9hG4bK-1",
    "SIP/2.0/UDP 10.1.0.9:40000 ; rport ;branch=z9hG4bK-1",
    "SIP / 2.0 / UDP 10.1.0.9 :40000 ;branch = z9hG4bK-1",
    "SIP/2.0/UDP host.example;branch=z9hG4bK-1, SIP/2.0/TCP 10.9.9.9;branch=z9hG4bK-0",
    "SIP/2.0/tcp 10.1.0.9:40000",
    "SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK-1;received=x",
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that follows the grammar, with odd but legal parts."""
    method = draw(st.sampled_from(METHODS))
    lines = draw(st.lists(st.sampled_from(ODD_LINES), max_size=5, unique=True))
    body = draw(st.sampled_from(BODIES))
    return request(
        f"{method} {draw(st.sampled_from(URIS))}",
        *lines,
        via=draw(st.sampled_from(VIAS)),
        from_=draw(st.sampled_from(FROMS)),
        to=draw(st.sampled_from((None, "<sip:x@contoso.test>;tag=1"))),
        max_forwards=draw(st.sampled_from((None, 0, 1, 70, 255))),
        body=body,
    )


@st.composite
def responses(draw: st.DrawFn, asked: bytes | None = None) -> bytes:
    """A response that follows the grammar."""
    to = asked if asked is not None else draw(requests())
    status = draw(st.sampled_from((100, 180, 200, 202, 302, 404, 503, 603)))
    lines = draw(st.lists(st.sampled_from(ODD_LINES[:11]), max_size=4, unique=True))
    return response(to, status, *lines, body=draw(st.sampled_from(BODIES)))


def _cut_line_end(data: bytes, at: int) -> bytes:
    places = [i for i in range(len(data)) if data.startswith(b"\r\n", i)]
    if not places:
        return data
    place = places[at % len(places)]
    return data[:place] + data[place + 2 :]


def _insert(piece: bytes) -> Callable[[bytes, int], bytes]:
    def insert(data: bytes, at: int) -> bytes:
        at %= len(data) + 1
        return data[:at] + piece + data[at:]

    return insert


def _at_colon(piece: bytes) -> Callable[[bytes, int], bytes]:
    def insert(data: bytes, at: int) -> bytes:
        places = [i for i in range(len(data)) if data[i : i + 1] == b":"]
        if not places:
            return data
        place = places[at % len(places)]
        return data[:place] + piece + data[place:]

    return insert


def _add_line(line: bytes) -> Callable[[bytes, int], bytes]:
    def add(data: bytes, at: int) -> bytes:
        lines = data.split(b"\r\n")
        lines.insert(1 + at % len(lines), line)
        return b"\r\n".join(lines)

    return add


def _drop_line(data: bytes, at: int) -> bytes:
    lines = data.split(b"\r\n")
    del lines[at % len(lines)]
    return b"\r\n".join(lines)


def _replace(old: bytes, new: bytes) -> Callable[[bytes, int], bytes]:
    return lambda data, at: data.replace(old, new)


MUTATIONS: tuple[Callable[[bytes, int], bytes], ...] = (
    _cut_line_end,
    _drop_line,
    lambda data, at: data[: at % (len(data) + 1)],
    lambda data, at: data.swapcase(),
    *(_insert(p) for p in (b"\0", b"\r", b"\n", b"\r\n", b"\xff", b'"', b"<", b"%")),
    *(_insert(p) for p in (b";", b",", b":", b"@", b" " * 50, b"a" * 9000)),
    *(_at_colon(p) for p in (b" ", b"\t", b"\x01", b"\0", b"\r\n ")),
    *(
        _add_line(line)
        for line in (
            b"Content-Length: 99999999999999999999999",
            b"Content-Length: -1",
            b"Content-Length: +0",
            b"Content-Length: 1_0",
            b"Content-Length: 3",
            b"l: 7",
            b"Content-Length",
            b"CSeq: 99999999999 INVITE",
            b"CSeq: 1 BYE",
            b"To\x01: <sip:evil@contoso.test>",
            b"Via: SIP/2.0/UDP",
            b"Via:",
            b"Via: SIP/2.0/UDP h;branch=",
            b"v: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bKwp1.1.1",
            b"Route: <sip:%ff@10.0.0.5:5060;lr>",
            b"Route: <sip:AAAA.bbbb@10.0.0.5:5060;lr>",
            b"Route:",
            b"Route: ,,,",
            b"Route: <sip:10.0.0.5:5060;lr>, <tel:1>",
            b"Max-Forwards: ten",
            b"Max-Forwards: -1",
            b"Max-Breadth: 0",
            b"Max-Breadth: x",
            b"Proxy-Require: ,, nothing we know, \xff",
            b"Timestamp: " + b"9" * 400,
            b"From: <sip:a@b",
            b'To: "a <sip:a@b>;tag=x',
            b"Call-ID:",
            b"no colon here",
            b" begins with a space",
        )
    ),
    lambda data, at: data.replace(b"\r\n\r\n", b"\r\nX: y" * 200 + b"\r\n\r\n", 1),
    _replace(b"sip:", b"sip:%zz@"),
    _replace(b"SIP/2.0", b"SIP/7.0"),
    _replace(b"SIP/2.0", b"SIP/2.0 "),
    _replace(b"z9hG4bK", b""),
    _replace(b"rport", b"rport=;received=;rport"),
    _replace(b"tag=", b"tag"),
    _replace(b"\r\n", b"\n"),
    _replace(b" ", b"  "),
)


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A valid message after one to three mutations."""
    data = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        mutate = draw(st.sampled_from(MUTATIONS))
        data = mutate(data, draw(st.integers(0, 5000)))
    return data
