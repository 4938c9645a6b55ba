"""Typed header fields: Via, CSeq, addresses, Route, lists of tokens."""

import pytest

from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import (
    parse_cseq,
    parse_name_addr,
    parse_routes,
    parse_tokens,
    parse_via,
    tag_of,
    tag_of_line,
)


@pytest.mark.parametrize(
    ("value", "transport", "sent_by", "branch"),
    [
        ("SIP/2.0/UDP h.test:5070;branch=z9hG4bK1", "UDP", "h.test:5070", "z9hG4bK1"),
        ("SIP/2.0/tcp 10.0.0.1", "TCP", "10.0.0.1", None),
        ("SIP / 2.0 / UDP h : 5 ;branch = z9hG4bK1", "UDP", "h:5", "z9hG4bK1"),
        ("SIP/2.0/TLS [2001:db8::1]:5061;branch=x", "TLS", "[2001:db8::1]:5061", "x"),
        ("sip/2.0/udp h;rport;branch=z;received=1.2.3.4", "UDP", "h", "z"),
        ("SIP/2.0/UDP h;Branch=z9hG4bK1", "UDP", "h", "z9hG4bK1"),
    ],
)
def test_what_is_in_a_via(value, transport, sent_by, branch):
    via = parse_via(value.encode())
    assert via.head.transport == transport.encode()
    assert via.head.sent_by == sent_by.encode()
    assert via.branch == (branch.encode() if branch else None)


def test_parameters_before_and_after_the_branch_are_there():
    via = parse_via(b"SIP/2.0/UDP h;rport;branch=z9hG4bK1;ttl=5;x")
    assert via.parameters["rport"] is None
    assert via.parameters["ttl"] == b"5"
    assert "x" in via.parameters


@pytest.mark.parametrize(
    ("branch", "magic"),
    [("z9hG4bK1", True), ("Z9HG4BK1", True), ("z9hG4bK", False), ("1", False)],
)
def test_the_magic_cookie_is_known(branch, magic):
    """RFC 3261 section 8.1.1.7."""
    via = parse_via(f"SIP/2.0/UDP h;branch={branch}".encode())
    assert via.has_magic_branch is magic


@pytest.mark.parametrize(
    "value",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "SIP/2.0 UDP h",
        "SIP/2.0/UDP h;;branch=x",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP h:" + "9" * 5000,
        "SIP/2.0/UDP h h",
        "nonsense;branch=z9hG4bK1",
    ],
)
def test_what_is_no_via_is_malformed(value):
    with pytest.raises(MalformedMessage):
        parse_via(value.encode())


@pytest.mark.parametrize(
    ("line", "number", "method"),
    [
        ("CSeq: 1 INVITE", 1, b"INVITE"),
        ("cseq:0009\r\n  INVITE", 9, b"INVITE"),
        ("CSeq: 2147483647 X-y", 2**31 - 1, b"X-y"),
        ("CSeq :\t7\tBYE ", 7, b"BYE"),
    ],
)
def test_what_is_in_a_cseq(line, number, method):
    assert parse_cseq(line.encode()) == (number, method)


@pytest.mark.parametrize(
    "value", ["", "1", "INVITE", "-1 INVITE", "+1 INVITE", "2147483648 INVITE", "1 a b"]
)
def test_what_is_no_cseq_is_malformed(value):
    with pytest.raises(MalformedMessage):
        parse_cseq(b"CSeq: " + value.encode())


@pytest.mark.parametrize(
    ("value", "display", "uri", "tag"),
    [
        ("<sip:a@h>;tag=1", "", "sip:a@h", "1"),
        ("sip:a@h;tag=1", "", "sip:a@h", "1"),
        ("sip:a@h ;  tag  = 1", "", "sip:a@h", "1"),
        ('"A \\" <b>" <sip:a@h>;tag=1', '"A \\" <b>"', "sip:a@h", "1"),
        ("A B<sip:a@h;x>;y;TAG=1", "A B", "sip:a@h;x", "1"),
        ("<sip:a@h;tag=inside>", "", "sip:a@h;tag=inside", None),
        ('<sip:a@h>;x=";tag=quoted"', "", "sip:a@h", None),
        ("<sip:a@h>;tagged=1", "", "sip:a@h", None),
        ("isbn:2983792873", "", "isbn:2983792873", None),
    ],
)
def test_what_is_in_an_address(value, display, uri, tag):
    address = parse_name_addr(value.encode())
    assert address.display == display.encode()
    assert address.uri == uri.encode()
    expected = tag.encode() if tag else None
    assert address.parameters.get("tag") == expected
    assert tag_of(value.encode()) == expected
    assert tag_of_line(b"From: " + value.encode()) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "<>",
        "<sip:a@h",
        "sip:a@h>",
        '"a <sip:a@h>',
        "a, b <sip:a@h>",
        "a b",
        "<sip:a@h> x",
        "<sip:a@h>;=1",
        "sip:a@h?x=1",
    ],
)
def test_what_is_no_address_is_malformed(value):
    with pytest.raises(MalformedMessage):
        parse_name_addr(value.encode())


def test_route_entries_are_split_at_the_commas_outside():
    values = [b'"a, b" <sip:a;x=",">, <sip:b>', b"<sip:c>,,"]
    assert parse_routes(values) == [b'"a, b" <sip:a;x=",">', b"<sip:b>", b"<sip:c>"]


def test_tokens_are_read_in_lower_case():
    assert parse_tokens([b"100rel , Timer", b"gruu"]) == ["100rel", "timer", "gruu"]
    with pytest.raises(MalformedMessage):
        parse_tokens([b"a b"])
