"""Where a message ends, C finds as its definition does, and only where it is plain."""

import random

import pytest

from proxy.sip import framing
from proxy.sip.framing import end_plainly, plain_end

LENGTHS = (b"Content-Length: 3", b"Content-Length:0", b"Content-Length:\t12 ")
LINES = (
    *(
        *LENGTHS,
        b"To: a",
        b"Call-ID: x",
        b"Content-Type: a/b",
        b"CSeq: 1 A",
        b"v: SIP/2.0/TCP a",
        b"X",
    ),
    # Below here nothing is plain.
    *(b"Content-Length: ", b"Content-Length: +3", b"Content-Length: 1 2"),
    *(b"Content-Length: 123456789012", b"content-length: 3", b"CONTENT-LENGTH : 3"),
    *(b"l: 3", b"L: 3", b" folded", b"\tfolded", b"a\nb", b"\nContent-Length: 3"),
    *(b"Content-Length", b"Content-Lengths: 3", b"a\r", b"\r", b"", b"\xff", b"\0"),
)
PLAIN = 9
STARTS = (b"INVITE sip:a SIP/2.0", b"SIP/2.0 200 OK", b"X/y", b"a b")
ODD_STARTS = (
    b"LIST a",
    b"CONTENT-LENGTH: 3",
    b"INVITE",
    b"",
    b"a" * 65 + b" b",
    b"(a b",
)


def compare_ends(other, count: int) -> int:
    """Look for the end of so many messages both ways; how many were plain."""
    rng, plain = random.Random(23), 0
    for _ in range(count):
        usual = rng.random() < 0.6
        lines = [rng.choice(STARTS if usual or rng.random() < 0.5 else ODD_STARTS)]
        pool = LINES[len(LENGTHS) : PLAIN] if usual else LINES
        more = [rng.choice(pool) for _ in range(rng.randrange(7))]
        if usual:
            more.insert(rng.randrange(len(more) + 1), rng.choice(LENGTHS))
        lines += more
        data = b"\r\n".join(lines) + rng.choice(
            (b"\r\n\r\nbody", b"\r\n\r\n", b"\r\n", b"")
        )
        before = rng.choice((b"", b"", b"\r\n", b"x\n"))
        head = rng.choice((1_000, 1_000, len(data), len(data) - 4, 20))
        body = rng.choice((100, 100, 3, 2))
        arguments = (before + data, len(before), head, body)
        expected = end_plainly(*arguments)
        assert other(*arguments) == expected, arguments
        assert other(bytearray(arguments[0]), *arguments[1:]) == expected, arguments
        plain += expected >= 0
    return plain


def test_what_is_in_use_is_the_definition():
    assert compare_ends(plain_end, 5_000) > 500
    assert compare_ends(end_plainly, 10) >= 0
    assert framing._scanner() == plain_end


@pytest.mark.parametrize("which", [plain_end, end_plainly])
@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"A b\r\nContent-Length: 3\r\n\r\nabcA b", 29),
        (b"A b\r\nContent-Length: 3\r\n\r\na", 29),
        (b"SIP/2.0 200 OK\r\nVia: a\r\nContent-Length:0\r\n\r\n", 44),
        (b"A b\r\n\r\n", -1),
        (b"A b\r\nContent-Length: 3\r\n", -1),
        (b"A b\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", -1),
        (b"A b\r\nContent-Length: 101\r\n\r\n", -1),
        (b"A b\r\nX: a\nContent-Length: 3\r\n\r\n", -1),
        (b"A b\r\nContent-Length: 3\r\nl: 3\r\n\r\n", -1),
        (b"A b\r\nContent-Length: 3\r\nX: a\r\n 3\r\n\r\n", -1),
        (b"\x16\x03\x01 b\r\nContent-Length: 3\r\n\r\n", -1),
    ],
)
def test_an_end_is_told_where_the_head_is_plain(which, data, end):
    assert which(data, 0, 100, 100) == end
    moved = which(b"\r\n\r\n" + data, 4, 100, 100)
    assert moved == (end + 4 if end >= 0 else -1)


def test_a_head_of_the_limit_is_plain_and_a_byte_more_is_not():
    data = b"A b\r\nContent-Length: 3\r\n\r\n"
    for which in (plain_end, end_plainly):
        assert which(data, 0, len(data), 3) == len(data) + 3
        assert which(data, 0, len(data) - 1, 3) == -1
        assert which(data, 0, len(data), 2) == -1
        assert which(data, len(data), 100, 100) == -1


@pytest.mark.parametrize("arguments", [(), (b"",), ("x", 0, 1, 1), (b"", "0", 1, 1)])
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(TypeError):
        plain_end(*arguments)
