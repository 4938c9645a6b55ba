"""Content-Length: what is plain, what is not, and what only looks like one."""

import pytest

from proxy.sip.content_length import NAME, is_disguised, length_of, says_length
from proxy.sip.framing import StreamFramer
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
