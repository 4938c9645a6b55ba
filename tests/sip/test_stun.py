"""STUN Binding requests (RFC 5389; RFC 5769 section 2 has the test vectors)."""

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.stun import LONGEST, binding_answer, is_stun

COOKIE = 0x2112A442
ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")


def binding(*attributes: tuple[int, bytes], kind: int = 1, **changed) -> bytes:
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
        for number, value in attributes
    )
    length = changed.get("length", len(body))
    return struct.pack("!HHI", kind, length, changed.get("cookie", COOKIE)) + ID + body


@pytest.mark.parametrize(
    ("host", "attribute"),
    [
        # RFC 5769 sections 2.2 and 2.3
        ("192.0.2.1", "002000080001a147e112a643"),
        (
            "2001:db8:1234:5678:11:2233:4455:6677",
            "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
        ),
    ],
)
def test_the_answer_says_where_the_request_came_from(host, attribute):
    answer = binding_answer(binding(), host, 32853)
    expected = bytes.fromhex(attribute)
    assert answer == struct.pack("!HHI", 0x101, len(expected), COOKIE) + ID + expected


def test_a_link_local_address_has_no_zone_in_it():
    answer = binding_answer(binding(), "fe80::1%eth0", 5060)
    assert answer == binding_answer(binding(), "fe80::1", 5060)


@pytest.mark.parametrize(
    "attributes",
    [
        [(0x8022, b"baresip"), (0x8028, b"crc.")],  # SOFTWARE, FINGERPRINT
        [(0x0006, b"user"), (0x0008, bytes(20))],  # no credentials are wanted
        [(0x8022, b"123")],  # padded
    ],
)
def test_what_need_not_be_understood_is_ignored(attributes):
    request = binding(*attributes)
    answer = binding_answer(request, "192.0.2.1", 5060)
    assert answer == binding_answer(binding(), "192.0.2.1", 5060)
    assert (answer is not None and len(answer) <= len(request)) or len(request) < 32


def test_what_must_be_understood_and_is_not_gets_420():
    """RFC 5389 section 7.3.1; CHANGE-REQUEST would have us send to another port."""
    request = binding((0x0003, bytes(4)), (0x7777, b"x"), (0x0003, bytes(4)))
    answer = binding_answer(request, "192.0.2.1", 5060)
    assert answer == (
        struct.pack("!HHI", 0x111, 16, COOKIE)
        + ID
        + bytes.fromhex("0009000400000414000a000400037777")
    )


def test_a_420_is_no_longer_than_a_few_words():
    request = binding(*((number, b"") for number in range(0x100, 0x180)))
    assert len(binding_answer(request, "192.0.2.1", 5060)) == 40


@pytest.mark.parametrize(
    "data",
    [
        b"",
        binding()[:19],
        binding(kind=0x0011),  # an indication
        binding(kind=0x0101),  # an answer: two servers would talk for ever
        binding(kind=0x0111),
        binding(kind=0x0003),  # TURN's Allocate
        binding(cookie=0),  # RFC 3489
        binding(length=4),
        binding(length=0) + b"more",
        binding() + b"\0" * 3,
        struct.pack("!HHI", 1, 4, COOKIE) + ID + b"\x80\x22\x00\x08",  # beyond the end
        binding((0x8022, bytes(LONGEST))),
    ],
)
def test_everything_else_is_dropped(data):
    assert binding_answer(data, "192.0.2.1", 5060) is None


def test_sip_is_no_stun():
    assert is_stun(binding())
    for data in (b"", b"\r\n\r\n", b"\0\0\0\0", b"INVITE sip:a@b SIP/2.0\r\n"):
        assert not is_stun(data)
    assert not is_stun(b"INVI\x21\x12\xa4\x42")


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_make_it_raise_or_answer_at_length(data, six):
    host = "2001:db8::1" if six else "192.0.2.1"
    for request in (data, binding()[:8] + data, binding(length=len(data)) + data):
        is_stun(request)
        answer = binding_answer(request, host, 1)
        if answer is not None:
            assert len(answer) <= len(request) + (24 if six else 20)
            mapped = ipaddress.ip_address(host).packed
            assert len(answer) <= 20 + 8 + len(mapped) + 4
