"""Suggestions: what somebody may have meant, and silence when nothing is close."""

import pytest

from proxy.endpoints.similar import similar_address, similar_host

KNOWN = ["pc@contoso.test", "ocschat@contoso.test", "helpdesk@fabrikam.test"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ocschta@contoso.test", "ocschat@contoso.test"),
        ("sip:OCSchat@contoso.tset", "ocschat@contoso.test"),
        ("ocschat", "ocschat@contoso.test"),
        ("help-desk@fabrikam.test", "helpdesk@fabrikam.test"),
        ("zzz@contoso.test", None),
        ("x@contoso.test", None),
        ("helpdesk@contoso.test", None),
        ("", None),
    ],
)
def test_an_address_is_close_in_both_of_its_parts(typed, meant):
    assert similar_address(typed, KNOWN) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pcpol.contoso.test", "pcpool.contoso.test"),
        ("pcpool.contoso.tset", "pcpool.contoso.test"),
        ("old.contoso.test", None),
        ("pcpool.fabrikam.test", None),
    ],
)
def test_a_pool_is_close_in_its_name_and_its_domain(typed, meant):
    known = ["pcpool.contoso.test", "sql7.contoso.test"]
    assert similar_host(typed, known) == meant


def test_many_long_candidates_take_no_time():
    many = [f"{'x' * 200}{n}@contoso.test" for n in range(20_000)]
    assert similar_address("y" * 200 + "@contoso.test", many) is None
