"""Any bytes are a message or a MalformedMessage, on every path of the parser alike."""

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import (
    parse_cseq,
    parse_name_addr,
    parse_routes,
    parse_via,
    tag_of_line,
)
from proxy.sip.grammar import unfold
from proxy.sip.limits import DEFAULT_LIMITS
from proxy.sip.message import (
    Request,
    Response,
    _parse_carefully,
    parse_message,
)
from proxy.sip.plain_response import read_plain_response
from proxy.sip.uri import _read_carefully, _read_uri, parse_uri
from tests.property.strategies import broken, requests, responses
from tests.support.messages import request

anything = st.one_of(
    st.binary(max_size=200),
    requests(),
    responses(),
    broken(requests()),
    broken(responses()),
)


def outcome(parse):
    """What a parser made of its input, in a form that can be compared."""
    try:
        message = parse()
    except MalformedMessage as error:
        return ("refused", error.status, error.reason)
    kind = message.method if isinstance(message, Request) else message.status
    return (kind, message.lines, message.names, message.index, message.body)


@given(anything)
def test_any_bytes_parse_or_are_malformed(data):
    outcome(lambda: parse_message(data))


@given(anything, st.booleans())
@example(request().replace(b"Content-Length: 0", b"Content-Length: +0"), False)
@example(request("INVITE sip:x", "Supported"), False)
@example(request("INVITE sip:x", "Content-Type"), False)
@example(request(body=b"0123456789").replace(b": 10\r", b": 1_0\r"), True)
def test_the_fast_path_and_the_careful_path_agree(data, stream):
    fast = outcome(lambda: parse_message(data, stream=stream))
    careful = outcome(lambda: _parse_carefully(data, DEFAULT_LIMITS, stream))
    assert fast == careful


@given(anything)
@example(
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n"
    b"Content-Length: 0\r\nContent-Length: 900\r\nFrom: <sip:a>\r\nTo: <sip:b>\r\n"
    b"Call-ID: 1\r\n\r\n"
)
def test_a_response_that_looks_plain_is_what_the_parser_makes_of_it(data):
    plain = read_plain_response(data)
    if plain is None:
        return
    try:
        whole = parse_message(data)
    except MalformedMessage as error:
        # What routing does not read may be missing or broken; lengths may not.
        assert "ength" not in error.reason
        assert "ontrol character" not in error.reason
        return
    assert isinstance(whole, Response)
    try:
        via = whole.top_via()
    except MalformedMessage:
        return  # it is none of ours then: only what comes before its branch counts
    assert plain.status == whole.status
    assert plain.branch == via.branch
    assert plain.method == whole.cseq()[1]
    assert plain.forwarded() == whole.forwarded()


@given(requests())
def test_a_message_that_nobody_edits_is_the_same_bytes(data):
    assert parse_message(data).serialise() == data


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)))
def test_fields_raise_nothing_but_malformed_message(value):
    for read in (parse_via, parse_name_addr, parse_uri):
        for text in (value, b"sip:" + value, b"<sip:" + value, b"SIP/2.0/UDP " + value):
            with contextlib.suppress(MalformedMessage):
                read(text)
    parse_routes([value])
    with contextlib.suppress(MalformedMessage):
        parse_cseq(b"CSeq: 1 " + value)


@given(st.binary(max_size=30), st.text("ab%0f;=@:?\xff", max_size=20))
def test_the_key_of_a_uri_can_always_be_written_down(noise, text):
    for raw in (b"sip:%ff" + noise, b"sip:" + text.encode("latin-1") + b"@host"):
        try:
            uri = parse_uri(raw)
        except MalformedMessage:
            continue
        uri.key.encode()
        (uri.user or "").encode()


@example(b"sip:%ff@contoso.test")
@given(st.sampled_from([b"sip:\xff@contoso.test", b"sip:%C3%28@contoso.test"]))
def test_a_user_part_that_is_no_text_can_be_written_down(raw):
    parse_uri(raw).key.encode()


pieces = st.lists(
    st.sampled_from(
        (*'aZ09.-_@:;,?<>[]%"\\ \t=&', "sip:", "sips:", "h.test", ":5060", ";lr", "%41")
    ),
    max_size=12,
).map("".join)


# A compiled class does not tell its own.
URI_FIELDS = (
    "headers host key parameters port raw scheme target_host transport user".split()
)


def uri_outcome(read, raw):
    try:
        uri = read(raw)
    except MalformedMessage as error:
        return (error.status, error.reason)
    return [getattr(uri, name) for name in URI_FIELDS]


@given(st.one_of(pieces, pieces.map("sip:a@h".__add__), pieces.map("sip:".__add__)))
@example("sip:alice@127.0.0.1:5060;transport=udp")
@example("sip:a@h.test:65536")
@example("sip:a@h.test;")
@example("sip:a@h.test;x@y")
def test_a_plain_uri_is_read_as_any_other(text):
    raw = text.encode()
    assert uri_outcome(_read_uri, raw) == uri_outcome(_read_carefully, raw)


@given(st.sampled_from(["From: ", "To: "]), pieces, pieces)
@example("From: ", "a@h", "=1;epid=2")
@example("From: ", 'a>;tag="', "=1")
@example("To: ", "", "=1")
def test_a_tag_found_quickly_is_the_tag(name, uri, tail):
    line = f"{name}<sip:{uri}>;tag{tail}".encode()
    try:
        careful = parse_name_addr(unfold(line.partition(b":")[2].strip()))
    except MalformedMessage:
        return
    try:
        assert tag_of_line(line) == careful.parameters["tag"]
    except KeyError:
        return  # ";tag" grew into another name
