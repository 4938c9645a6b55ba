"""Parameter lists edited by the grammar that read them (RFC 3261 section 7.3.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sip.grammar import parse_parameters
from proxy.sip.parameters import split_parameters, with_value, without


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (b";expires=600", b""),
        (b';expires="600"', b""),
        (b';expires="Sat, 01 Dec 2040 16:00:00 GMT";q=0.1', b";q=0.1"),
        (b";expires", b""),
        (b';a=1;expires;b="x;expires=3"', b';a=1;b="x;expires=3"'),
        (b' ; Expires = "6;0" ; q=1', b"; q=1"),
        (b";expires=1;a;EXPIRES=2", b";a"),
        (b";expires=", b""),
        (b";q=1", b";q=1"),
        (b"", b""),
        (b"no list", b"no list"),
    ],
)
def test_a_parameter_goes_with_all_of_its_value(text, left):
    assert without(text, ("expires",)) == left


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (b"", b";q=1"),
        (b";a", b";a;q=1"),
        (b'; Q = "x;y" ;a;q=7', b"; Q=1 ;a"),
    ],
)
def test_a_value_is_said_once(text, changed):
    assert with_value(text, "q", b"1") == changed


LISTS = st.lists(
    st.sampled_from(
        [b";", b"=", b'"', b" ", b"\t", b"\\", b"a", b"expires", b",", b"<"]
    ),
    max_size=12,
).map(b"".join)


@given(LISTS)
def test_the_pieces_are_the_list(text):
    """Two readers of one grammar agree on every text, and no byte is lost."""
    pieces = split_parameters(text)
    parameters = parse_parameters(text)
    assert (pieces is None) == (parameters is None)
    if pieces is not None and parameters is not None:
        assert b"".join(piece for _, piece in pieces) == text.rstrip()
        assert {name for name, _ in pieces} == set(parameters)
        left = parse_parameters(without(text, ("expires",)))
        assert left is not None
        assert set(left) == set(parameters) - {"expires"}
