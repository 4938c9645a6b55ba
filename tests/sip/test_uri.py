"""SIP URIs: what is in them, and what is none (RFC 3261 section 19.1)."""

import pytest

from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri, scheme_of


@pytest.mark.parametrize(
    ("raw", "user", "host", "port", "key"),
    [
        ("sip:alice@contoso.test", "alice", "contoso.test", None, "alice@contoso.test"),
        ("SIP:Alice@Contoso.TEST", "Alice", "contoso.test", None, "alice@contoso.test"),
        ("sips:a@h.test:5061", "a", "h.test", 5061, "a@h.test"),
        ("sip:h.test", None, "h.test", None, "h.test"),
        ("sip:h.test.", None, "h.test", None, "h.test"),
        ("sip:a:secret@h.test", "a", "h.test", None, "a@h.test"),
        ("sip:al%69ce@h.test", "alice", "h.test", None, "alice@h.test"),
        ("sip:a;x=1@h.test;y", "a;x=1", "h.test", None, "a;x=1@h.test"),
        ("sip:a?b@h.test", "a?b", "h.test", None, "a?b@h.test"),
        ("sip:%40@h.test", "@", "h.test", None, "@@h.test"),
        ("sip:a@[2001:DB8::1]:70", "a", "2001:db8::1", 70, "a@2001:db8::1"),
        ("sip:+1(2)-3@h.test;user=phone", "+1(2)-3", "h.test", None, "+1(2)-3@h.test"),
    ],
)
def test_what_is_in_a_uri(raw, user, host, port, key):
    uri = parse_uri(raw.encode())
    assert (uri.user, uri.host, uri.port, uri.key) == (user, host, port, key)


def test_parameters_and_headers_are_told_apart():
    uri = parse_uri(b"sip:a@h.test;transport=TCP;lr;maddr=[2001:db8::1]?subject=x&y=z")
    assert uri.transport == "tcp"
    assert uri.target_host == "2001:db8::1"
    assert uri.parameters["lr"] is None
    assert uri.headers == b"subject=x&y=z"


def test_without_maddr_the_host_is_the_target():
    assert parse_uri(b"sip:a@h.test").target_host == "h.test"


@pytest.mark.parametrize(
    "raw",
    [
        "sip:",
        "sip:@h.test",
        "sip:a@",
        "sip:a b@h.test",
        "sip:a@h test",
        "sip:a%@h.test",
        "sip:a%4@h.test",
        "sip:a@h.test:0",
        "sip:a@h.test:65536",
        "sip:a@h.test:",
        "sip:a@-h.test:x",
        "sip:a@2001:db8::1",
        "sip:a@[2001:db8::1",
        "sip:a@h.test;;lr",
        'sip:"a"@h.test',
        "sip:<a>@h.test",
        "sip:a\x00@h.test",
        "no scheme",
        "",
    ],
)
def test_what_is_no_uri_is_malformed(raw):
    with pytest.raises(MalformedMessage) as caught:
        parse_uri(raw.encode())
    assert caught.value.status == 400


@pytest.mark.parametrize("raw", ["tel:+4930", "http://h.test", "soap.beep://h"])
def test_another_scheme_is_416(raw):
    """RFC 3261 section 16.3 item 2."""
    with pytest.raises(MalformedMessage) as caught:
        parse_uri(raw.encode())
    assert caught.value.status == 416


def test_the_bytes_of_a_uri_stay_as_they_were():
    raw = b"SIP:Al%69ce@Contoso.TEST;X=Y"
    assert parse_uri(raw).raw == raw


def test_the_scheme_alone_can_be_asked_for():
    assert scheme_of(b"TeL:+4930") == "tel"
    with pytest.raises(MalformedMessage):
        scheme_of(b"+4930")
