"""What a URI may say in a log, and what of it goes."""

import pytest

from proxy.sip.masking import masked_start, masked_text, masked_uri


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (b"sip:alice:hunter2@contoso.test", b"sip:alice:***@contoso.test"),
        (b"sips:alice:p@ss:w@contoso.test", b"sips:alice:***@contoso.test"),
        (b"http://alice:hunter2@contoso.test/x", b"http://alice:***@contoso.test/x"),
        (b"SIP:alice:@contoso.test:5060", b"SIP:alice:***@contoso.test:5060"),
        (b"sip:a@b.test;token=abc;lr", b"sip:a@b.test;token=***;lr"),
        (b"sip:a@b.test;x=1;wp=abc", b"sip:a@b.test;x=1;wp=***"),
        (b"sip:AAAAAAAAAAAAAAAA~alice@b.test", b"sip:***~alice@b.test"),
        (
            b'"a:b" <sip:alice:hunter2@b.test>, <sip:bob:x@b.test>',
            b'"a:b" <sip:alice:***@b.test>, <sip:bob:***@b.test>',
        ),
    ],
)
def test_passwords_and_tokens_go(written: bytes, shown: bytes) -> None:
    assert masked_uri(written) == shown


@pytest.mark.parametrize(
    "uri",
    [
        b"sip:ocschat@contoso.test",
        b"sip:ocschat@contoso.test:5060;transport=tcp",
        b"sip:alice@contoso.test;opaque=user:epid:Xk3sYl9FBl2wUuPJ;gruu",
        b"sip:[2001:db8::5]:5060;lr",
        b"sip:alice@[2001:db8::5]:5060",
        b"tel:+49-30-1234;phone-context=contoso.test",
        b"",
    ],
)
def test_the_rest_stays(uri: bytes) -> None:
    assert masked_uri(uri) == uri


@pytest.mark.parametrize("most", range(11, 40))
def test_the_beginning_of_a_secret_is_one(most: int) -> None:
    shown = masked_start(b"sip:alice:hunter2hunter2@contoso.test", most)
    assert b"hunter"[: most - 10] not in shown
    assert shown.startswith(b"sip:alice:***")


def test_what_is_short_enough_is_whole() -> None:
    uri = b"sip:alice@contoso.test"
    assert masked_start(uri, len(uri)) == uri
    assert masked_start(uri, len(uri) - 1) == uri[:-1]


def test_of_a_route_the_user_goes() -> None:
    route = b"<sip:AbCd@proxy.contoso.test;lr>,<sip:10.0.0.5;lr>"
    shown = b"<sip:***@proxy.contoso.test;lr>,<sip:10.0.0.5;lr>"
    assert masked_text(route, is_route=True) == shown
