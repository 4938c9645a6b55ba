"""Messages as lines: what is read, what is refused, and that nothing is changed."""

import pytest

from proxy.sip.errors import MalformedMessage
from proxy.sip.limits import MessageLimits
from proxy.sip.message import (
    Request,
    Response,
    UnreadableRequest,
    parse_message,
)
from proxy.sip.plain_response import read_plain_response
from tests.support.messages import request, response


def refusal(data: bytes, **options) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        parse_message(data, **options)
    return caught.value


def test_a_request_is_its_lines():
    message = parse_message(request("INVITE sip:a@h.test", "Subject: x", body=b"abc"))
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.body) == (
        b"INVITE",
        b"sip:a@h.test",
        b"abc",
    )
    assert message.lines[message.index["subject"]] == b"Subject: x"
    assert message.names[0] == ""
    assert len(message.names) == len(message.lines)


def test_a_response_is_its_lines():
    message = parse_message(response(request(), 183))
    assert isinstance(message, Response)
    assert message.status == 183
    assert message.to_tag() == b"pool-1"


@pytest.mark.parametrize("start", ["SIP/2.0 200 OK", "SIP/2.0 200 ", "sip/2.0 200 OK"])
def test_a_status_line_may_lack_its_phrase(start):
    data = start.encode() + b"\r\n" + request().partition(b"\r\n")[2]
    assert parse_message(data).status == 200


@pytest.mark.parametrize(
    "start", ["SIP/2.0 99 x", "SIP/2.0 700 x", "SIP/2.0 4294967301 x", "SIP/2.0 2x0 x"]
)
def test_a_status_that_is_none_is_malformed(start):
    refusal(start.encode() + b"\r\n" + request().partition(b"\r\n")[2])


def test_a_folded_line_stays_one_entry_with_its_bytes():
    data = request("INVITE sip:a@h.test", "Subject: a\r\n\tb\r\n  c")
    message = parse_message(data)
    assert message.lines[message.index["subject"]] == b"Subject: a\r\n\tb\r\n  c"
    assert message.value("subject") == b"a b c"
    assert message.serialise() == data


def test_index_is_the_first_and_values_are_all():
    data = request("INVITE sip:a@h.test", "Route: <sip:a>", "X: y", "Route: <sip:b>")
    message = parse_message(data)
    assert message.values("route") == [b"<sip:a>", b"<sip:b>"]
    assert message.value("route") == b"<sip:a>"
    assert message.values("nothing") == []
    assert message.value("nothing") is None


def test_only_the_first_of_joined_vias_is_the_top_one():
    via = 'SIP/2.0/UDP a;x=",";branch=z9hG4bK1, SIP/2.0/UDP b'
    assert parse_message(request(via=via)).top_via().branch == b"z9hG4bK1"


def test_what_can_be_answered_comes_along_with_the_error():
    error = refusal(request(cseq="1 INVITE").replace(b"Call-ID", b"X-Call"))
    assert isinstance(error, UnreadableRequest)
    assert error.request.method == b"INVITE"
    assert error.status == 400


def test_an_unknown_version_beats_all_that_is_wrong_besides():
    error = refusal(b"INVITE sip:a@h SIP/9.1\r\nVia: x\r\n\r\n")
    assert (type(error), error.status) == (UnreadableRequest, 505)


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\0", b"hello", b"GET / HTTP/1.1"])
def test_what_is_no_sip_cannot_be_answered(data):
    assert not isinstance(refusal(data), UnreadableRequest)


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (MessageLimits(header_lines=5), 513),
        (MessageLimits(header_line=30), 513),
        (MessageLimits(body=5), 513),
    ],
)
def test_sizes_and_counts_are_limited(limits, status):
    data = request("INVITE sip:a@h.test", "X: y", body=b"0123456789")
    assert refusal(data, limits=limits).status == status


def test_a_generous_limit_of_lines_is_honoured():
    data = request("INVITE sip:a@h.test", *[f"X-{n}: y" for n in range(600)])
    limits = MessageLimits(header_lines=1000)
    assert len(parse_message(data, limits).lines) > 600


def test_a_stream_needs_a_length_and_a_datagram_does_not():
    """RFC 3261 section 18.3."""
    data = request().replace(b"Content-Length: 0\r\n", b"")
    assert parse_message(data).body == b""
    assert refusal(data, stream=True).status == 400


def test_what_a_datagram_has_too_much_is_cut_off():
    """RFC 3261 section 18.3."""
    assert parse_message(request(body=b"abc") + b"INVITE sip:x").body == b"abc"


def test_a_plain_response_loses_its_top_via_only():
    asked = request(via=["SIP/2.0/UDP p;branch=z9hG4bK9;x", "SIP/2.0/UDP c"])
    data = response(asked, 200, "X-Odd :  y", body=b"v=0")
    plain = read_plain_response(data)
    assert plain is not None
    assert (plain.branch, plain.method, plain.status) == (b"z9hG4bK9", b"INVITE", 200)
    top = b"Via: SIP/2.0/UDP p;branch=z9hG4bK9;x\r\n"
    assert plain.forwarded() == data.replace(top, b"")


@pytest.mark.parametrize("via", ["p;branch=z9hG4bK9", "p;branch=z9hG4bK9, c"])
def test_a_plain_response_knows_its_contact_and_its_only_record_route(via):
    lines = ["Record-Route: <sip:u@p;lr>", "Require: x", "Contact: <sip:a@h>"]
    data = response(request(via=[f"SIP/2.0/UDP {via}"]), 200, *lines)
    plain = read_plain_response(data)
    assert plain is not None
    assert plain.contact == b"Contact: <sip:a@h>"
    assert plain.forwarded()[plain.route_at :].startswith(lines[0].encode())
    for another in (b"Record-Route: <sip:q>", b"record-ROUTE :<sip:q>"):
        again = read_plain_response(data.replace(b"Require: x", another))
        assert again is not None and again.route_at < 0
    none = read_plain_response(data.replace(b"Record-Route", b"X"))
    assert none is not None and none.route_at < 0


@pytest.mark.parametrize(
    "change",
    [
        (b"SIP/2.0 200", b"SIP/2.0 302"),
        (b"Content-Length: 0", b"Content-Length: 1"),
        (b"Content-Length: 0", b"Content-Length: +0"),
        (b"Content-Length: 0", b"Content-Length: 0\r\nl: 0"),
        (b"Content-Length: 0", b"Content-Length: 0\r\ncontent-LENGTH : 9"),
        (b"Content-Length: 0", b"X: folded\r\n y\r\nContent-Length: 0"),
        (b"Content-Length: 0", b"X: \0\r\nContent-Length: 0"),
        (b"CSeq: 1 INVITE", b"CSeq: 1\tINVITE"),
        (b"branch=z9hG4bK-1", b'branch="z9hG4bK-1"'),
        (b"branch=z9hG4bK-1", b"branch=z9hG4bK-1 ;x"),
        (b"branch=", b"bronch="),
        (b"Via:", b"v:"),
    ],
)
def test_a_response_with_anything_odd_is_read_in_full(change):
    data = response(request(), 200)
    assert read_plain_response(data) is not None
    assert read_plain_response(data.replace(*change)) is None
