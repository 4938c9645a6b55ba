"""The file of facts, as every Windows and every hand on the way may leave it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.facts.document import FORMAT, LIMIT, FactsError, instant, read_facts
from proxy.facts.model import Row
from tests.facts.world import ALIAS, SECOND, right_a


def text():
    return json.dumps(right_a(), ensure_ascii=False)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_every_encoding_of_windows_is_read(encoding):
    assert read_facts(text().encode(encoding)) == read_facts(text().encode())


def wrapped(value):
    """Lists as Windows PowerShell may write them."""
    if isinstance(value, dict):
        return {name: wrapped(each) for name, each in value.items()}
    if isinstance(value, list):
        return {"value": [wrapped(each) for each in value], "Count": len(value)}
    return value


def unbracketed(value):
    """Lists of one without their brackets, empty ones as null."""
    if isinstance(value, dict):
        return {name: unbracketed(each) for name, each in value.items()}
    if isinstance(value, list):
        inner = [unbracketed(each) for each in value]
        return None if not inner else inner[0] if len(inner) == 1 else inner
    return value


def test_wrapped_lists_are_lists():
    found = read_facts(json.dumps(wrapped(right_a())).encode())
    assert found == read_facts(text().encode())


def test_a_list_of_one_may_have_lost_its_brackets():
    found = read_facts(json.dumps(unbracketed(right_a())).encode())
    right = read_facts(text().encode())
    assert found.aliases == right.aliases == (ALIAS, SECOND)
    for name, section in right.sections.items():
        assert len(found.section(name).rows) == len(section.rows), name
        for one, other in zip(found.section(name), section, strict=True):
            assert one.texts("roles") == other.texts("roles")
            assert one.text("sip_address") == other.text("sip_address")


@pytest.mark.parametrize(
    "written",
    [
        "2026-09-21T12:26:40Z",
        "2026-09-21T14:26:40+02:00",
        "/Date(1789993600000)/",
        "/Date(1789993600000+0200)/",
        {"value": "/Date(1789993600000)/", "DisplayHint": 2, "DateTime": "Monday"},
    ],
)
def test_every_spelling_of_an_instant_is_read(written):
    assert instant(written) == 1789993600.0


@pytest.mark.parametrize(
    "written", [None, "", "soon", 5, "/Date(999999999999999)/", "0001-01-01T00:00:00Z"]
)
def test_what_is_no_instant_is_not_known(written):
    assert instant(written) is None


def test_properties_are_read_with_patience():
    row = Row({"a": "TRUE", "b": None, "c": " 5061 ", "d": "x", "e": ["Y", "z"]})
    assert row.flag("a") is True and row.flag("b") is None and row.flag("d") is None
    assert row.number("c") == 5061 and row.number("d") is None
    assert row.texts("d") == ("x",) and row.texts("e") == ("y", "z")
    assert row.texts("b") == () and row.text("none") == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xff\xff", "neither UTF-8 nor UTF-16"),
        (b"[]", 'no "format"'),
        (b'{"format": "1"}', 'no "format"'),
        (json.dumps({"format": FORMAT + 1}).encode(), "waypost facts script"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * (LIMIT + 1), "16 MiB"),
    ],
)
def test_what_is_no_file_of_facts_is_refused_with_a_sentence(data, said):
    with pytest.raises(FactsError, match=said):
        read_facts(data)


def test_rows_that_became_text_are_not_read():
    document = right_a()
    document["sections"]["users"]["rows"] = ["@{sip_address=x}"]
    section = read_facts(json.dumps(document).encode()).section("users")
    assert not section.ok and "as text" in section.error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "Count", "ok", "rows", "cmdlet", "x"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_nothing_in_a_file_raises_anything_but_a_sentence(sections, head, when):
    document = {"format": 1, "sections": {"users": sections, "replicas": head}}
    document |= {"aliases": head, "time": when, "absent": sections}
    found = read_facts(json.dumps(document).encode())
    assert not any(row.number("users") for row in found.section("users"))
