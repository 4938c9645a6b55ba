"""Our own corpus: one message per kind of defect, and one per odd but legal form.

The kinds are those of RFC 4475 and RFC 5118, and the bugs that other servers have had.
Every Via asks for `rport`, so the answer comes back to wherever the test sends from.
"""

from dataclasses import dataclass

from tests.support.messages import request

PASSES = "passes"  # 200 comes back, and the next hop saw every byte we may not touch
SILENCE = "silence"  # nobody is answered, nothing leaves
HANG_UP = 0  # the stream is closed

Outcome = str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One message and what must become of it over UDP and over TCP."""

    name: str
    data: bytes
    udp: Outcome
    tcp: Outcome


def _plain(start: str = "OPTIONS sip:bob@contoso.test", *extra: str, **more) -> bytes:
    via = "SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-torture"
    return request(start, *extra, **{"via": via, **more})


def _edited(old: bytes, new: bytes, data: bytes | None = None) -> bytes:
    """A plain request with one piece of it replaced."""
    plain = _plain() if data is None else data
    assert old in plain
    return plain.replace(old, new, 1)


def _all(name: str, data: bytes, outcome: str | int) -> Case:
    value = (outcome,) if isinstance(outcome, int) else outcome
    return Case(name, data, value, value)


def _length(name: str, value: bytes, *, udp: Outcome, tcp: Outcome) -> Case:
    data = _edited(b"Content-Length: 0", b"Content-Length:" + value)
    return Case(name, data, udp, tcp)


LEGAL = [
    _all("plain", _plain(), PASSES),
    _all("every token character in a method", _plain(
        "!.%*_+`'~-9 sip:b@c.test"), PASSES),
    _all("every token character in a header name", _plain(
        "OPTIONS sip:b@c.test", "!x.%*_+`'~-9: value"), PASSES),
    _all("folded lines, spaces and tabs around the colon", _plain(
        "OPTIONS sip:b@c.test", "Subject \t:\r\n one\r\n\ttwo   three "), PASSES),
    _all("folded CSeq with leading zeros", _plain(cseq="0009\r\n OPTIONS"), PASSES),
    _all("spaces all over the Via", _plain(
        via="SIP  / 2.0\r\n / UDP   client.contoso.test ; rport ;branch = z9hG4bK-1"),
        PASSES),
    _all("an escaped NUL in the user part", _plain(
        "OPTIONS sip:nul%00x@c.test"), PASSES),
    _all("escapes that spell another URI", _plain(
        "OPTIONS sip:sips%3Auser%40example.com@example.net"), PASSES),
    _all("no space between display name and URI", _plain(
        from_="caller<sip:a@b.test>;tag=1"), PASSES),
    _all("a semicolon and a parameter in the user part", _plain(
        "OPTIONS sip:user;par=u%40h@c.test"), PASSES),
    _all("a question mark in the user part", _plain("OPTIONS sip:u?x@c.test"), PASSES),
    _all("a quoted pair in a display name", _plain(
        from_='"a \\" <b> , \\\\" <sip:a@b.test>;tag=1'), PASSES),
    _all("UTF-8 in a display name and a header", _plain(
        "OPTIONS sip:b@c.test", "Subject: grüße 你好", from_='"Jürgen" <sip:j@b.test>'),
        PASSES),
    _all("several Via in one line and in several", _plain(via=[
        "SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-1, SIP/2.0/TCP a.test",
        "SIP/2.0/SCTP b.test:99;branch=z9hG4bK-2"]), PASSES),
    _all("a transport that nobody knows in a Via", _plain(via=[
        "SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-1",
        "SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bK-t5"]), PASSES),
    _all("a branch with nothing behind the cookie", _plain(
        via="SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK"), PASSES),
    _all("a client of RFC 2543", _plain(via="SIP/2.0/UDP client.contoso.test;rport"),
        PASSES),
    _all("compact names", _edited(b"From:", b"f:", _edited(
        b"To:", b"t:", _edited(b"Call-ID:", b"i:", _edited(
            b"Content-Length:", b"l:")))), PASSES),
    _all("names in odd cases", _edited(b"Max-Forwards", b"MaX-fOrWaRdS"), PASSES),
    _all("no Max-Forwards", _plain(max_forwards=None), PASSES),
    _all("a body of arbitrary bytes", _plain(body=bytes(range(256))), PASSES),
    _all("a body that looks like a message", _plain(body=_plain()), PASSES),
    _all("an unknown scheme in To and From", _plain(
        from_="<http://www.example.com>;tag=1", to="isbn:2983792873"), PASSES),
    _all("an unreadable Date", _plain(
        "OPTIONS sip:b@c.test", "Date: Fri, 01 Jan 2010 16:00:00 EST"), PASSES),
    _all("credentials that are not for us", _plain(
        "OPTIONS sip:b@c.test",
        'Authorization: NoOneKnowsThisScheme opaque="data here, more"'), PASSES),
    _all("digest parameters that make no sense", _plain(
        "OPTIONS sip:b@c.test", 'Proxy-Authorization: Digest ,,=,"'), PASSES),
    _all("commas and semicolons in an unknown header", _plain(
        "OPTIONS sip:b@c.test", "X-Odd: ;;,,;;,;"), PASSES),
    _all("an IPv6 reference as host", _plain(
        "OPTIONS sip:b@[2001:db8::10]:5070"), PASSES),
    _all("IPv6 with a port that is ambiguous", _plain(
        "OPTIONS sip:b@[2001:db8::10:5070]"), PASSES),
    _all("IPv6 that ends in IPv4", _plain(
        "OPTIONS sip:b@[2001:db8::192.0.2.1]"), PASSES),
    _all("IPv6 received with and without brackets", _plain(via=[
        "SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-1",
        "SIP/2.0/UDP [2001:db8::9]:5060;received=[2001:db8::9:255];branch=z9hG4bK-2",
        "SIP/2.0/UDP [2001:db8::9];received=2001:db8::9:255;branch=z9hG4bK-3"]),
        PASSES),
    _all("a CSeq just below the limit", _plain(cseq="2147483647 OPTIONS"), PASSES),
    _all("a Content-Length said twice alike", _edited(
        b"Content-Length: 0", b"Content-Length: 0\r\nl: 0"), PASSES),
    Case("line ends in front", b"\r\n\r\n" + _plain(), PASSES, PASSES),
    Case("more than Content-Length says in a datagram", _plain() + _plain(
        "INVITE sip:smuggled@contoso.test"), PASSES, (200,)),
    Case("no Content-Length", _edited(b"Content-Length: 0\r\n", b""), PASSES, (400,)),
]  # fmt: skip

BROKEN = [
    # lengths (CVE-2026-23457 and its kin)
    _length("length negative", b" -999", udp=(400,), tcp=(400,)),
    _length("length with a plus", b" +0", udp=(400,), tcp=(400,)),
    _length("length with an underscore", b" 1_0", udp=(400,), tcp=(400,)),
    _length("length in hexadecimal", b" 0x0", udp=(400,), tcp=(400,)),
    _length("length followed by garbage", b" 0 0", udp=(400,), tcp=(400,)),
    _length("length empty", b"", udp=(400,), tcp=(400,)),
    _length("length of more than 32 bits", b" 4294967296", udp=(400,), tcp=(513,)),
    _length("length of more than 64 bits", b" " + b"9" * 400, udp=(400,), tcp=(513,)),
    _length("length too large for the message", b" 99", udp=(400,), tcp=(400, HANG_UP)),
    _length("length twice and different", b" 0\r\nl: 7", udp=(400,), tcp=(400,)),
    _length("length behind a control character", b" 0\r\nContent-Length\x01: 7",
            udp=(400,), tcp=(400,)),
    # names (AST-2016-009)
    *(
        _all(f"byte {byte:#04x} between name and colon",
             _edited(b"Subject:", b"Subject" + bytes([byte]) + b":",
                     _plain("OPTIONS sip:b@c.test", "Subject: x")), 400)
        for byte in (0x01, 0x08, 0x0B, 0x0C, 0x7F, 0xA0)
    ),
    _all("a NUL in a header", _edited(b"call-1", b"call\0-1"), 400),
    _all("a bare line feed in a header", _edited(b"call-1", b"call\nX: y"), 400),
    _all("a bare carriage return in a header", _edited(b"call-1", b"call\rX: y"), 400),
    _all("a line without a colon", _plain("OPTIONS sip:b@c.test", "Supported"), 400),
    _all("a name with a space inside", _plain("OPTIONS sip:b@c.test", "X y: z"), 400),
    # the start line
    _all("a space in front of the Request-URI", _edited(
        b"OPTIONS sip", b"OPTIONS  sip"), 400),
    _all("a space behind the version", _edited(b"SIP/2.0\r\n", b"SIP/2.0 \r\n"), 400),
    _all("a space in the Request-URI", _plain("OPTIONS sip:b@c.test; lr SIP/2.0"), 400),
    _all("brackets around the Request-URI", _plain("OPTIONS <sip:b@c.test>"), 400),
    _all("an unknown version", _plain("OPTIONS sip:b@c.test SIP/7.0"), 505),
    _all("an unknown version, in the Via too", _plain(
        "OPTIONS sip:b@c.test SIP/7.0", via="SIP/7.0/UDP c.test;branch=1"), 505),
    _all("a scheme nobody knows", _plain("OPTIONS nobodyKnows:totallyOpaque"), 416),
    _all("a scheme that is not SIP", _plain("OPTIONS soap.beep://192.0.2.103"), 416),
    _all("headers in the Request-URI", _plain("OPTIONS sip:b@c.test?Route=%3Csip:e%3E"),
         400),
    _all("a bad escape", _plain("OPTIONS sip:b%zz@c.test"), 400),
    _all("a port of too many digits", _plain("OPTIONS sip:b@c.test:506000"), 400),
    _all("IPv6 without brackets", _plain("OPTIONS sip:2001:db8::10"), 400),
    _all("a very long Request-URI", _plain(f"OPTIONS sip:{'a' * 2000}@c.test"), 414),
    # header fields
    *(
        _all(f"no {name}", _edited(line, b""), 400)
        for name, line in (
            ("From", b"From: <sip:alice@contoso.test>;tag=alice-1\r\n"),
            ("To", b"To: <sip:bob@contoso.test>\r\n"),
            ("Call-ID", b"Call-ID: call-1\r\n"),
            ("CSeq", b"CSeq: 1 OPTIONS\r\n"),
        )
    ),
    *(
        _all(f"two different {line.partition(':')[0]}",
             _plain("OPTIONS sip:b@c.test", line), 400)
        for line in ("CSeq: 2 OPTIONS", "Call-ID: other", "To: <sip:x@y.test>",
                     "From: <sip:x@y.test>", "Max-Forwards: 9")
    ),
    _all("a CSeq of 2**31", _plain(cseq="2147483648 OPTIONS"), 400),
    _all("a CSeq of many digits", _plain(cseq="36893488147419103232 OPTIONS"), 400),
    _all("a CSeq of another method", _plain(cseq="1 INVITE"), 400),
    _all("an unclosed quote", _plain(to='"Mr J. User <sip:j.user@example.com>'), 400),
    _all("an unclosed bracket", _plain(to="<sip:j.user@example.com"), 400),
    _all("a comma in a bare display name", _plain(from_="Bell, A <sip:a@b.test>;tag=1"),
         400),
    _all("separators and nothing else in the Via", _plain(
        via="SIP/2.0/UDP c.test;;,;,,"), 400),
    _all("an empty Via", _plain(via=""), 400),
    _all("a Max-Forwards that is no number", _plain(max_forwards="seventy"), 400),
    _all("a Max-Forwards above 255", _plain(max_forwards=256), 400),
    _all("no hops left", _plain(max_forwards=0), 483),
    _all("no breadth left", _plain("INVITE sip:b@c.test", "Max-Breadth: 0"), 440),
    _all("an extension that we lack", _plain(
        "OPTIONS sip:b@c.test", "Proxy-Require: nothingSupportsThis"), 420),
    _all("a Route that is not ours", _plain(
        "OPTIONS sip:b@c.test", "Route: <sip:192.0.2.66;lr>"), 403),
    _all("a token that we did not sign", _plain(
        "OPTIONS sip:b@c.test", "Route: <sip:forged.00000000@contoso.test;lr>"), 403),
    _all("too many Via", _plain(via=[
        "SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-1",
        *["SIP/2.0/UDP a.test"] * 71]), 513),
    _all("too many Route", _plain(
        "OPTIONS sip:b@c.test", *["Route: <sip:contoso.test;lr>"] * 41), 513),
    _all("too many Via on two lines", _plain(via=[
        "SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-1",
        ", ".join(["SIP/2.0/UDP a.test"] * 200)]), 513),
    _all("too many Route on one line", _plain(
        "OPTIONS sip:b@c.test", "Route: " + ",".join(["<sip:contoso.test;lr>"] * 200)),
        513),
    _all("too many Route on a folded line", _plain(
        "OPTIONS sip:b@c.test",
        "Route: " + ",\r\n ".join(["<sip:contoso.test;lr>"] * 41)), 513),
    _all("a line of thousands of folds", _plain(
        "OPTIONS sip:b@c.test", "X: y" + "\r\n z" * 2500), 513),
    *(_all(f"a bare CR in {name}", _edited(
        name.encode() + b": ", name.encode() + b": x\rX-Injected: yes"), 400)
        for name in ("From", "To", "Call-ID")),
    _all("a bare CR in CSeq", _edited(
        b"1 OPTIONS", b"1 OPTIONS\rX-Injected: yes"), 400),
    _all("too many header fields", _plain(
        "OPTIONS sip:b@c.test", *[f"X-{n}: y" for n in range(130)]), 513),
    _all("a header field of 9 KiB", _plain(
        "OPTIONS sip:b@c.test", "X: " + "y" * 9000), 513),
    Case("headers of 40 KiB", _plain(
        "OPTIONS sip:b@c.test", *["X: " + "y" * 8000] * 5), PASSES, (513,)),
    # what gets no answer
    _all("a bare CR in Via", _edited(
        b";rport", b"\rX-Injected: yes;rport"), SILENCE),
    _all("no Via", _edited(
        b"Via: SIP/2.0/UDP client.contoso.test;rport;branch=z9hG4bK-torture\r\n", b""),
        SILENCE),
    _all("an ACK that is broken", _plain("ACK sip:b@c.test", cseq="1 BYE"), SILENCE),
    _all("a status of many digits", b"SIP/2.0 4294967301 better not break\r\n" +
         _plain().partition(b"\r\n")[2], SILENCE),
    _all("a response to nothing", b"SIP/2.0 200 \r\n" + _plain().partition(b"\r\n")[2],
         SILENCE),
    # what is no SIP (kamailio#4929: an endless loop over six bytes)
    Case("a HEP3 prefix", b"HEP3\x00\x06", SILENCE, (HANG_UP,)),
    Case("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", SILENCE,
         (HANG_UP,)),
    Case("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", SILENCE, (HANG_UP,)),
    Case("nothing but line ends", b"\r\n\r\n", SILENCE, SILENCE),
    Case("one byte", b"\0", SILENCE, (HANG_UP,)),
]  # fmt: skip

CASES = [*LEGAL, *BROKEN]
