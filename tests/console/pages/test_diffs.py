"""What a change does to a row, field by field."""

from proxy.console.pages.diffs import differences
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Canary, Endpoint

BEFORE = Endpoint("sip:a@contoso.com", "a@contoso.com", "old.contoso.com")


def change(before, after):
    return RowChange(before, after)


def test_only_what_is_different_is_named():
    canary = Canary("new.contoso.com", 10, frozenset({"x@contoso.com"}))
    after = Endpoint(
        "sip:a@contoso.com", "a@contoso.com", "old.contoso.com", "Chat", canary=canary
    )
    found = differences(change(BEFORE, after))
    assert (found.verb, found.kind, found.name) == (
        "change",
        "endpoint",
        "sip:a@contoso.com",
    )
    assert found.fields == (
        ("display_name", "", "Chat"),
        ("canary", "", "10 % + 1 → new.contoso.com"),
    )


def test_a_row_that_comes_or_goes_has_one_side():
    made = differences(change(None, BEFORE))
    assert made.verb == "create"
    assert ("pool_fqdn", "", "old.contoso.com") in made.fields
    gone = differences(change(BEFORE, None))
    assert gone.verb == "remove"
    assert ("pool_fqdn", "old.contoso.com", "") in gone.fields
