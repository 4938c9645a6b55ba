"""The lab's own reading of SIP, as limited as the legacy client's."""

import pytest

from proxy.journey.wire import (
    Framer,
    Message,
    WireError,
    address_of,
    parse,
    response,
    route_set,
    tag_of,
    uri_of,
)

REQUEST = Message(
    "INFO sip:a@b SIP/2.0",
    [("Via", "SIP/2.0/tcp h:1"), ("To", "<sip:a@b>"), ("CSeq", "2 INFO")],
    b"hello",
)


def test_a_stream_is_cut_the_same_way_whole_and_byte_by_byte() -> None:
    data = b"\r\n\r\n" + REQUEST.encode() * 2
    whole = Framer().feed(data)
    framer = Framer()
    single = [found for byte in data for found in framer.feed(bytes([byte]))]
    assert [raw for _, raw in whole] == [REQUEST.encode()] * 2
    assert single == whole


def test_a_content_type_without_a_length_breaks_the_stream() -> None:
    with pytest.raises(WireError, match="Content-Length"):
        Framer().feed(b"INFO sip:a SIP/2.0\r\nContent-Type: text/plain\r\n\r\n")


@pytest.mark.parametrize("line", [b"v: SIP/2.0/TCP h", b"Via : SIP/2.0/TCP h"])
def test_what_the_legacy_client_does_not_understand_is_an_error(line: bytes) -> None:
    with pytest.raises(WireError):
        parse(b"INFO sip:a SIP/2.0\r\n" + line)


def test_folding_is_understood() -> None:
    assert parse(b"INFO sip:a SIP/2.0\r\nSubject: a\r\n  b").get("Subject") == "a b"


def test_a_response_copies_what_it_must_and_gets_a_tag() -> None:
    answer = response(REQUEST, 200, "OK", "t")
    assert answer.headers == [
        ("Via", "SIP/2.0/tcp h:1"),
        ("To", "<sip:a@b>;tag=t"),
        ("CSeq", "2 INFO"),
    ]


def test_record_route_lines_are_split_at_their_commas_only() -> None:
    message = Message(
        "SIP/2.0 200 OK",
        [
            ("Record-Route", "<sip:x,y@p1;lr>, <sip:p2;lr>"),
            ("record-route", "<sip:p3>"),
        ],
    )
    assert route_set(message) == ["<sip:x,y@p1;lr>", "<sip:p2;lr>", "<sip:p3>"]


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sip:p:5070;lr", ("p", 5070)),
        ("sip:u@h", ("h", 5060)),
        ("sip:u@[::1]:5071", ("::1", 5071)),
        (
            "sip:u@contoso.test:40001;maddr=127.0.0.9;transport=tcp",
            ("127.0.0.9", 40001),
        ),
    ],
)
def test_where_a_uri_leads(uri: str, address: tuple[str, int]) -> None:
    assert address_of(uri) == address


def test_the_tag_is_not_looked_for_inside_the_uri() -> None:
    assert tag_of("<sip:a@b;tag=uri>;epid=1;tag=real") == "real"
    assert uri_of('"x" <sip:a@b;p=1>;q=1') == "sip:a@b;p=1"
