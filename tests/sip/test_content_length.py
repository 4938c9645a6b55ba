"""Content-Length: what is plain, what is not, and what only looks like one."""

import pytest

from proxy.sip.content_length import (
    NAME,
    TOO_LONG,
    is_disguised,
    length_of,
    read_length,
    says_length,
)
from proxy.sip.errors import MalformedMessage
from proxy.sip.framing import StreamFramer
from proxy.sip.message import parse_message
from proxy.sip.plain_response import read_plain_response
from tests.support.messages import request, response


@pytest.mark.parametrize(
    ("text", "length"),
    [("0", 0), (" 42", 42), ("\t7 ", 7), ("007", 7), ("99999999999", 99_999_999_999)],
)
def test_digits_are_a_length(text, length):
    line = NAME + text.encode()
    assert length_of(line) == length and says_length(line, length)
    assert not says_length(line, length + 1)


@pytest.mark.parametrize("text", ["", "+7", "-1", "1_0", "7, 7", "0x7", "9" * 12, "²"])
def test_all_else_is_none(text):
    line = NAME + text.encode()
    assert length_of(line) == -1 and not says_length(line, 7)


@pytest.mark.parametrize("zeros", [0, 1, 20, 5000])
def test_zeros_in_front_do_not_count_in_a_datagram_or_on_a_stream(zeros):
    value = b"0" * zeros + b"5"
    assert read_length(value) == 5
    data = request(body=b"12345").replace(b"Content-Length: 5", b"l:" + value)
    assert StreamFramer().feed(data) == [data]
    for is_stream in (True, False):
        assert parse_message(data, stream=is_stream).body == b"12345"


def test_a_number_without_end_is_more_than_any_limit():
    assert read_length(b"9" * 100_000) == TOO_LONG
    assert read_length(b"0" * 100_000) == 0


def test_two_spellings_of_one_length_are_one_length():
    twice = b"Content-Length: 5\r\nContent-Length: 05"
    data = request(body=b"12345").replace(b"Content-Length: 5", twice)
    assert StreamFramer().feed(data) == [data]
    assert parse_message(data, stream=True).body == b"12345"


def test_equal_lengths_hide_no_other_field_that_stands_twice():
    twice = b"Content-Length: 0\r\nContent-Length: 0\r\nExpires: 1\r\nExpires: 2"
    data = request().replace(b"Content-Length: 0", twice)
    with pytest.raises(MalformedMessage, match="More than one expires"):
        parse_message(data)


DISGUISES = ("content-length: 9", "CONTENT-LENGTH: 9", "Content-Length : 9")


@pytest.mark.parametrize("line", DISGUISES)
def test_another_spelling_is_noticed_and_looked_at_closely(line):
    assert is_disguised(line.encode())
    plain = response(request(), 200)
    assert read_plain_response(plain) is not None
    head, end, body = plain.partition(b"\r\n\r\n")
    assert read_plain_response(head + b"\r\n" + line.encode() + end + body) is None


@pytest.mark.parametrize("line", ["Contact: x", "Content-Type: y", "CSeq: 1 BYE", "C"])
def test_another_header_is_none(line):
    assert not is_disguised(line.encode())


@pytest.mark.parametrize("line", [*DISGUISES, "l: 9"])
def test_two_lengths_that_differ_end_the_stream(line):
    framer = StreamFramer()
    data = request("MESSAGE sip:x@contoso.test", body=b"hello")
    head, end, body = data.partition(b"\r\n\r\n")
    assert framer.feed(data) == [data]
    assert framer.feed(head + b"\r\n" + line.encode() + end + body) == []
    assert framer.error is not None and framer.error.status == 400
