"""Header names in one spelling, however a peer writes them."""

import pytest

from proxy.sip.names import COMPACT, canonical_name, known_names


@pytest.mark.parametrize("raw", ["Via", "VIA", "via", "vIa", "v", "V", "Via ", "v\t "])
def test_every_spelling_of_a_name_is_one_name(raw):
    assert canonical_name(raw.encode()) == "via"


@pytest.mark.parametrize("raw", ["", " Via", "Vi a", "Via\x01", "Via\0", "Víа", "a:b"])
def test_what_is_no_token_is_no_name(raw):
    assert canonical_name(raw.encode()) is None


@pytest.mark.parametrize(("short", "full"), COMPACT.items())
def test_every_compact_form_is_known(short, full):
    """RFC 3261 section 7.3.3."""
    assert canonical_name(short.upper().encode()) == full


def test_a_stranger_cannot_fill_the_memory_with_long_names():
    before = len(known_names)
    assert canonical_name(b"X" * 5000) == "x" * 5000
    assert len(known_names) == before
