"""The fast reader takes what is plain, and leaves everything else to the parser."""

import pytest

from proxy.sip.plain_response import read_plain_response
from tests.support.messages import read, request, response

ASKED = request("INVITE sip:x@contoso.test", via=["SIP/2.0/UDP 10.0.0.5:5060;branch=b"])


def plain(*extra: str, status: int = 200, body: bytes = b"", **changes: str) -> bytes:
    data = response(ASKED, status, *extra, body=body)
    for before, after in changes.items():
        data = data.replace(CHANGED[before], after.encode())
    return data


CHANGED = {
    "via": b"Via: SIP/2.0/UDP 10.0.0.5:5060;branch=b",
    "cseq": b"CSeq: 1 INVITE",
    "length": b"Content-Length: 0",
}


@pytest.mark.parametrize("status", [100, 180, 200, 299])
def test_what_routing_needs_is_read(status: int) -> None:
    found = read_plain_response(plain("Contact: <sip:a@h>", status=status))
    assert found is not None
    assert (found.status, found.method, found.branch) == (status, b"INVITE", b"b")
    assert found.sent_by == b"Via: SIP/2.0/UDP 10.0.0.5:5060"
    assert found.contact == b"Contact: <sip:a@h>"


@pytest.mark.parametrize("others", [[], ["SIP/2.0/TCP a;branch=x", "SIP/2.0/UDP b"]])
@pytest.mark.parametrize("joined", [False, True])
def test_it_leaves_without_our_via_and_else_as_the_parser_has_it(others, joined):
    vias = ["SIP/2.0/UDP 10.0.0.5:5060;branch=b", *others]
    asked = request(via=[", ".join(vias)] if joined else vias)
    data = response(asked, 200, "Record-Route: <sip:p;lr>", body=b"v=0")
    found = read_plain_response(data)
    assert found is not None
    out = found.forwarded()
    assert b"10.0.0.5" not in out and out.endswith(b"\r\n\r\nv=0")
    message = read(data)
    assert out.split(b"\r\n")[0] == message.lines[0]
    assert [x for x in out.split(b"\r\n") if not x.startswith(b"Via")] == [
        x for x in data.split(b"\r\n") if not x.startswith(b"Via")
    ]
    assert out[found.route_at :].startswith(b"Record-Route: <sip:p;lr>")


@pytest.mark.parametrize(
    "extra",
    [
        (),
        ("Record-Route: <sip:a;lr>", "Record-Route: <sip:b;lr>"),
        ("record-route: <sip:a;lr>",),
    ],
)
def test_no_or_several_record_routes_have_no_place(extra: tuple[str, ...]) -> None:
    found = read_plain_response(plain(*extra))
    assert found is not None and found.route_at < 0


@pytest.mark.parametrize(
    "data",
    [
        plain(status=302),
        plain(status=486),
        plain("P-Asserted-Identity: <sip:a@b>"),
        plain("p-preferred-identity: <sip:a@b>"),
        plain("Remote-Party-ID: <sip:a@b>"),
        plain("X: y\r\n z"),
        plain("X: \x01"),
        plain("l: 0"),
        plain("Content-Length: 0"),
        plain("content-length : 0"),
        plain(length="X: y"),
        plain(length="Content-Length: 9"),
        plain(cseq="CSeq:  1 INVITE"),
        plain(cseq="CSeq: 1234567890 INVITE"),
        plain(cseq="CSeq: 1 INV-ITE"),
        plain(cseq="X: y"),
        plain(via="v: SIP/2.0/UDP h;branch=b"),
        plain(via="Via: SIP/2.0/UDP h"),
        plain(via='Via: SIP/2.0/UDP h;branch=b;x="y"'),
        plain(via="Via: SIP/2.0/UDP h, SIP/2.0/UDP h;branch=b"),
        plain(via="Via: SIP/2.0/UDP h;branch=b c"),
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 200 OK",
        b"",
    ],
)
def test_whatever_is_odd_goes_to_the_parser(data: bytes) -> None:
    assert read_plain_response(data) is None


def test_a_body_must_have_the_length_that_is_said() -> None:
    good = plain(body=b"hello")
    assert read_plain_response(good) is not None
    assert read_plain_response(good + b"!") is None
    assert read_plain_response(good[:-1]) is None
