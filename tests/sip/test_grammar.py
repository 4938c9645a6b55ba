"""The lexical floor: folding, lists, parameters."""

import contextlib
import time

import pytest

from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr, parse_via
from proxy.sip.grammar import parse_parameters, split_values, unfold


def test_unfolding_leaves_one_space():
    """RFC 3261 section 7.3.1."""
    assert unfold(b"a \r\n\t b\r\n c") == b"a b c"


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (b"a", [b"a"]),
        (b"a, b ,c", [b"a", b"b", b"c"]),
        (b'"a, b", <x,y>,c', [b'"a, b"', b"<x,y>", b"c"]),
        (b'"a\\", b", c', [b'"a\\", b"', b"c"]),
        (b",", [b"", b""]),
        (b'"open, c', [b'"open, c']),
        (b'"open\\', [b'"open\\']),
        (b"<open, c", [b"<open, c"]),
    ],
)
def test_lists_are_split_outside_quotes_and_brackets(value, parts):
    assert split_values(value) == parts


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (b"", {}),
        (b";a", {"a": None}),
        (b";a=1;B=2;a=3", {"a": b"1", "b": b"2"}),
        (b' ; a = "x; y" ; b', {"a": b'"x; y"', "b": None}),
        (b";a=", {"a": b""}),
    ],
)
def test_parameters_are_read(text, parameters):
    assert parse_parameters(text) == parameters


@pytest.mark.parametrize("text", [b"a", b";", b";;a", b";=1", b'; "a"', b' ; a = "x'])
def test_what_is_no_parameter_list_is_none(text):
    assert parse_parameters(text) is None


def _attack(build, read) -> float:
    """How much longer 8 times the bytes take: 8 for linear work, 64 for square."""

    def seconds(size: int) -> float:
        value = build(size)
        best = float("inf")
        for _ in range(5):
            start = time.process_time()
            with contextlib.suppress(MalformedMessage):
                read(value)
            best = min(best, time.process_time() - start)
        return best

    return seconds(64_000) / max(seconds(8_000), 1e-5)


@pytest.mark.parametrize(
    ("build", "read"),
    [
        (lambda n: b'a,"' + b'\\"' * (n // 2), split_values),
        (lambda n: b"a," + b"<" * n, split_values),
        (lambda n: b";a=x" + b" " * n + b'"', parse_parameters),
        (lambda n: b";a" + b" " * n + b'"', parse_parameters),
        (lambda n: b"a" + b" " * n + b"\r\n b", unfold),
        (lambda n: b" " * n + b"x\r\n b", unfold),
        (lambda n: b'a,"' + b'\\"' * (n // 2) + b"\\", split_values),
        (lambda n: b"a" + b" " * n + b",<sip:a>", parse_name_addr),
        (lambda n: b'"' + b'\\"' * (n // 2) + b"<", parse_name_addr),
        (lambda n: b"SIP/2.0/UDP h" + b" " * n + b"x", parse_via),
        (lambda n: b"SIP" + b" " * n + b"x", parse_via),
    ],
)
def test_the_work_grows_with_the_bytes_and_not_with_their_square(build, read):
    assert _attack(build, read) < 25
