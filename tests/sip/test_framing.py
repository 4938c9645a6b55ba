"""RFC 3261 section 18.3: where a message on a stream ends, or that it is in doubt."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.framing import FramingError, StreamFramer
from proxy.sip.limits import MessageLimits


def sip(*lines: str, body: bytes = b"", length: str | None = None) -> bytes:
    value = str(len(body)) if length is None else length
    head = ["INFO sip:a@b SIP/2.0", *lines, f"Content-Length: {value}", "", ""]
    return "\r\n".join(head).encode() + body


def fed(*pieces: bytes) -> tuple[list[bytes], StreamFramer]:
    framer = StreamFramer()
    messages = [message for piece in pieces for message in framer.feed(piece)]
    return messages, framer


def bytewise(data: bytes) -> tuple[list[bytes], StreamFramer]:
    return fed(*(data[i : i + 1] for i in range(len(data))))


def error_of(data: bytes) -> FramingError:
    whole, slow = fed(data)[1].error, bytewise(data)[1].error
    assert whole is not None
    assert whole == slow
    return whole


def test_one_read_with_one_message_gives_that_message():
    assert fed(sip(body=b"hello"))[0] == [sip(body=b"hello")]


def test_pipelined_messages_come_out_in_order():
    parts = [sip(body=b"%d" % number * number) for number in range(9)]
    assert fed(b"".join(parts))[0] == parts


def test_a_message_in_many_segments_comes_out_when_its_last_byte_is_there():
    messages, framer = bytewise(sip(body=b"hello")[:-1])
    assert messages == []
    assert framer.is_partial
    assert framer.feed(b"o") == [sip(body=b"hello")]
    assert not framer.is_partial


def test_a_memoryview_is_copied_so_that_its_buffer_can_be_used_again():
    buffer = bytearray(sip(body=b"hello"))
    messages = StreamFramer().feed(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert messages == [sip(body=b"hello")]


@pytest.mark.parametrize(
    "header",
    [
        b"l: 3",
        b"L:3",
        b"CONTENT-LENGTH : 3",
        b"Content-Length\t:\t3 ",
        b"Content-Length:\r\n 3",
        b"Content-Length:\r\n \r\n\t3",
        b"Content-Length: 0003",
        b"Content-Length: 3\r\nl: 3",
        b"Content-Length: 3\r\nContent-Length: 03",
        b"Content-Length-Hint: 9\r\nLanguage: 8\r\nl: 3",
        b"Subject: x\r\n Content-Length: 9\r\nl: 3",
    ],
)
def test_content_length_is_found_in_every_legal_spelling(header: bytes):
    message = b"SIP/2.0 200 OK\r\n" + header + b"\r\n\r\nabc"
    for messages, framer in (fed(message * 2), bytewise(message * 2)):
        assert framer.error is None
        assert messages == [message, message]


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("-1", 400),
        ("+5", 400),
        ("", 400),
        ("5 5", 400),
        ("5, 5", 400),
        ("0x10", 400),
        ("1e3", 400),
        ("5\r\n 5", 400),
        ("٣", 400),
        ("5\r\nContent-Length: 6", 400),
        ("5\r\nl: 0", 400),
        ("0\r\nl: 5", 400),
        ("65537", 513),
        ("4294967296", 513),
        ("4294967301", 513),
        ("9" * 5000, 513),
    ],
)
def test_an_unusable_content_length_breaks_the_stream(length: str, status: int):
    message = sip("Call-ID: 1", length=length)
    assert error_of(message + b"hello" + sip())[:1] == (status,)
    assert error_of(message + b"hello").data == message


def test_a_stream_message_needs_content_length():
    message = b"INFO sip:a@b SIP/2.0\r\nContent-Length-Hint: 5\r\n\r\n"
    assert error_of(message) == (400, "Missing Content-Length", message)


def test_content_length_behind_a_bare_line_feed_breaks_the_stream():
    message = b"INFO sip:a@b SIP/2.0\r\nl: 0\r\nSubject: x\nContent-Length: 5\r\n\r\n"
    assert error_of(message).status == 400


def test_a_header_block_of_exactly_the_limit_passes_and_one_byte_more_does_not():
    limits = MessageLimits(header_block=100)
    fits = sip("X: " + "x" * (100 - len(sip("X: "))))
    assert StreamFramer(limits).feed(fits) == [fits]
    framer = StreamFramer(limits)
    assert framer.feed(fits.replace(b"X: ", b"X: y")) == []
    assert framer.error is not None
    assert framer.error.status == 513


def test_an_endless_header_block_is_refused_at_the_limit():
    assert error_of(b"INFO sip:a@b SIP/2.0\r\n" + b"X: y\r\n" * 3000).status == 513


@pytest.mark.parametrize(
    "prefix",
    [
        b"HEP3\x00\x10",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x00",
        b"\x80.\x01",
        b"\r\n\r\n\x01",
        b"INVITE\tsip:a@b",
        b"INV\xc3\xcfTE ",
        b" INVITE sip:a@b",
        b"A" * 65,
    ],
)
def test_what_is_no_sip_is_refused_before_its_first_line_ends(prefix: bytes):
    assert error_of(prefix) == (400, "Not a SIP Message", b"")


def test_messages_before_the_error_are_kept_and_everything_after_it_is_ignored():
    messages, framer = fed(sip() + sip(length="x") + sip(), sip())
    assert messages == [sip()]
    assert framer.error is not None
    assert not framer.is_partial


def test_line_ends_between_messages_are_skipped_and_pings_counted():
    data = b"\r\n" + sip() + b"\r\n\r\n" + sip() + b"\r\n\r\n\r\n\r\n"
    for messages, framer in (fed(data), bytewise(data)):
        assert messages == [sip(), sip()]
        assert framer.keepalives == 3
        assert not framer.is_partial


MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=40).map(lambda body: sip(body=body)),
        st.sampled_from([b"\r\n", b"\r\n\r\n", sip(length="7"), sip("l: 0")]),
        st.binary(max_size=12),
    ),
    max_size=6,
).map(b"".join)


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=12))
def test_however_the_bytes_are_cut_the_outcome_is_the_same(
    data: bytes, cuts: list[int]
):
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(edges)]
    outcomes = [
        (messages, framer.error, framer.keepalives, framer.is_partial)
        for messages, framer in (fed(data), bytewise(data), fed(*pieces))
    ]
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_an_error_and_nothing_is_invented(data: bytes):
    messages, framer = fed(data)
    assert framer.error is None or framer.error.status in (400, 513)
    at = 0
    for message in messages:
        at = data.index(message, at) + len(message)


def seconds_per_byte(data: bytes) -> float:
    best = 9.0
    for _ in range(5):
        framer, begun = StreamFramer(), time.process_time()
        for at in range(len(data)):
            framer.feed(data[at : at + 1])
        assert framer.error is None
        best = min(best, time.process_time() - begun)
    return best / len(data)


# Work that grows with the square makes these some sixty times dearer by the byte.
NOT_LINEAR = 8


def test_work_is_proportional_to_the_header_block_even_byte_by_byte():
    short, long = sip("X: " + "y" * 200), sip(*["X: " + "y" * 200] * 75)
    assert seconds_per_byte(long) < NOT_LINEAR * seconds_per_byte(short)


def test_work_is_proportional_to_the_body_even_byte_by_byte():
    short, long = sip(body=bytes(1000)), sip(body=bytes(60_000))
    assert seconds_per_byte(long) < NOT_LINEAR * seconds_per_byte(short)


RESPONSE = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"
WITH_LENGTH = RESPONSE[:-2] + b"Content-Length: 0\r\n\r\n"


def forgiving(*pieces: bytes) -> tuple[list[bytes], StreamFramer]:
    framer = StreamFramer()
    framer.forgives = True
    return [message for piece in pieces for message in framer.feed(piece)], framer


@pytest.mark.parametrize("after", [b"", sip(), RESPONSE])
def test_a_server_of_ours_may_forget_the_length_of_a_body_that_is_not_there(
    after: bytes,
) -> None:
    """One such slip ended every other transaction on the connection."""
    told = WITH_LENGTH if after == RESPONSE else after
    expected = [WITH_LENGTH, told] if after else [WITH_LENGTH]
    stream = RESPONSE + after
    for pieces in ([stream], [stream[i : i + 1] for i in range(len(stream))]):
        messages, framer = forgiving(*pieces)
        assert messages == expected
        assert framer.error is None


@pytest.mark.parametrize(
    "data",
    [
        RESPONSE.replace(b"CSeq", b"Content-Type: application/sdp\r\nCSeq"),
        RESPONSE.replace(b"CSeq", b"c: application/sdp\r\nCSeq"),
        RESPONSE + b"v=0\r\n",
        RESPONSE.replace(b"SIP/2.0 200 OK", b"INFO sip:a@b SIP/2.0"),
    ],
)
def test_where_a_body_may_be_its_end_is_not_guessed(data: bytes) -> None:
    _, framer = forgiving(data)
    assert framer.error is not None


def test_a_client_is_not_forgiven() -> None:
    assert error_of(RESPONSE).reason == "Missing Content-Length"


def block_of(start: bytes, size: int) -> bytes:
    """A message without a body whose header block has about this many bytes."""
    lines = [b"X: " + b"a" * 1000] * (size // 1005)
    return b"\r\n".join([start, *lines, b"Content-Length: 0", b"", b""])


@pytest.mark.parametrize("size", [15_000, 20_000, 30_000])
@pytest.mark.parametrize("forgives", [False, True])
@pytest.mark.parametrize("start", [b"SIP/2.0 486 Busy", b"BYE sip:x@y SIP/2.0"])
def test_an_answer_may_be_longer_than_the_request_that_it_repeats(
    start, forgives, size
):
    """To end the connection would end every other call on it.  A server of ours is a
    proxy, perhaps, that has added its own lines to a request at the limit."""
    framer = StreamFramer()
    framer.forgives = forgives
    message = block_of(start, size)
    found = framer.feed(message[:9_000]) + framer.feed(message[9_000:])
    is_whole = size < 16_000 or forgives or start.startswith(b"SIP/")
    assert found == ([message] if is_whole else [])
    assert framer.is_broken is not is_whole


def test_an_answer_without_end_is_given_up_too():
    framer = StreamFramer()
    framer.feed(block_of(b"SIP/2.0 200 OK", 120_000)[:110_000])
    assert framer.error is not None
    assert framer.error.status == 513
