"""What a verb does to the table, decided without doing it."""

from dataclasses import replace

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import (
    EndpointFields,
    RowChange,
    Rules,
    describe_changes,
    find_endpoint,
    new_endpoint,
    remove_endpoint,
    set_endpoint,
    set_pool,
)
from proxy.endpoints.model import Canary, Endpoint, Pool
from proxy.endpoints.table import EndpointTable

RULES = Rules(frozenset({"contoso.test"}), "proxy.contoso.test")
OLD = Endpoint(
    "sip:OcsChat@contoso.test",
    "ocschat@contoso.test",
    "pcpool.contoso.test",
    display_name="Old chat",
    created_at=1.0,
    changed_at=1.0,
)
TABLE = EndpointTable([OLD])


def said(**fields):
    return EndpointFields(**fields)


def test_a_new_endpoint_has_what_was_said_and_defaults_for_the_rest():
    decide = new_endpoint(
        "Chat2@Contoso.test", said(pool_fqdn="POOL.contoso.test"), RULES, 7.0
    )
    (change,) = decide(TABLE)
    assert change.before is None
    assert change.after == Endpoint(
        "sip:Chat2@Contoso.test",
        "chat2@contoso.test",
        "pool.contoso.test",
        created_at=7.0,
        changed_at=7.0,
    )


def test_the_same_address_in_other_case_is_a_duplicate_and_says_what_to_do():
    decide = new_endpoint("OCSCHAT@contoso.test", said(pool_fqdn="p.q"), RULES, 7.0)
    with pytest.raises(Refused, match=r"endpoint set sip:OcsChat@contoso.test"):
        decide(TABLE)


def test_a_pool_that_is_the_proxy_itself_is_refused():
    with pytest.raises(Refused, match="is this proxy"):
        new_endpoint("a@contoso.test", said(pool_fqdn="Proxy.Contoso.test"), RULES, 0)


def test_set_changes_only_what_was_said_all_at_once():
    fields = said(
        pool_fqdn="new.contoso.test",
        request_uri="keep",
        service_uris=["GC-*@contoso.test"],
    )
    (change,) = set_endpoint("old CHAT", fields, RULES, 9.0)(TABLE)
    after = change.after
    assert change.before == OLD
    assert (after.pool_fqdn, after.request_uri) == ("new.contoso.test", "keep")
    assert after.service_uris == ("sip:GC-*@contoso.test",)
    assert (after.display_name, after.created_at, after.changed_at) == (
        "Old chat",
        1.0,
        9.0,
    )


def test_an_empty_service_uri_takes_the_patterns_away():
    table = EndpointTable([_with_pattern(OLD)])
    (change,) = set_endpoint(OLD.key, said(service_uris=[""]), RULES, 2.0)(table)
    assert change.after.service_uris == ()


def test_setting_what_is_already_so_changes_nothing():
    fields = said(pool_fqdn="PCPOOL.contoso.test")
    assert set_endpoint(OLD.key, fields, RULES, 2.0)(TABLE) == []


def test_setting_nothing_names_the_options():
    with pytest.raises(Refused, match="--pool-fqdn"):
        set_endpoint(OLD.key, said(), RULES, 2.0)


def test_one_service_uri_cannot_lead_to_two_endpoints():
    table = EndpointTable([_with_pattern(OLD)])
    fields = said(pool_fqdn="p.q", service_uris=["sip:gc-*@contoso.test"])
    with pytest.raises(Refused, match=r"belongs to sip:OcsChat@contoso.test"):
        new_endpoint("b@contoso.test", fields, RULES, 2.0)(table)


def _with_pattern(endpoint):
    fields = said(service_uris=["GC-*@contoso.test"])
    return set_endpoint(endpoint.key, fields, RULES, 2.0)(TABLE)[0].after


@pytest.mark.parametrize(
    "identity", ["ocschat@contoso.test", "SIP:OCSCHAT@contoso.test", " old chat "]
)
def test_an_endpoint_is_found_by_address_and_by_display_name(identity):
    assert find_endpoint(TABLE, identity) is OLD


def test_a_display_name_of_two_endpoints_is_an_error_that_lists_them():
    twin = Endpoint("sip:b@contoso.test", "b@contoso.test", "p.q", "Old Chat")
    with pytest.raises(Refused, match=r"OcsChat@contoso.test, sip:b@contoso.test"):
        find_endpoint(EndpointTable([OLD, twin]), "old chat")


def test_an_unknown_endpoint_is_answered_with_the_nearest():
    with pytest.raises(Refused, match=r'did you mean "sip:OcsChat@contoso.test"'):
        find_endpoint(TABLE, "ocshcat@contoso.test")
    with pytest.raises(Refused, match="endpoint get"):
        find_endpoint(TABLE, "zzz")
    with pytest.raises(Refused, match="distinguished names"):
        find_endpoint(TABLE, "CN={1},CN=Application Contacts")


def test_remove_takes_the_row_away():
    assert remove_endpoint("Old chat")(TABLE) == [RowChange(OLD, None)]


def test_a_pool_setting_changes_what_was_said():
    (change,) = set_pool("PCPOOL.contoso.test", RULES, transport="tls")(TABLE)
    assert change.after == Pool("pcpool.contoso.test", "tls")
    table = EndpointTable([OLD], [change.after])
    (change,) = set_pool("pcpool.contoso.test", RULES, port=5041)(table)
    assert change.after == Pool("pcpool.contoso.test", "tls", 5041)


def test_a_pool_that_goes_back_to_dns_loses_its_row():
    table = EndpointTable([OLD], [Pool("pcpool.contoso.test", "tls", 5041)])
    (change,) = set_pool("pcpool.contoso.test", RULES, transport="auto", port=0)(table)
    assert change.after is None
    assert set_pool("x.test", RULES, transport="auto")(TABLE) == []


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(Refused, match="is not a port"):
        set_pool("x.test", RULES, port=port)


def test_a_pool_setting_that_says_nothing_is_refused():
    with pytest.raises(Refused, match="--transport"):
        set_pool("x.test", RULES)


def test_changes_read_as_a_difference():
    (change,) = set_endpoint(
        OLD.key, said(pool_fqdn="new.contoso.test", display_name=""), RULES, 9.0
    )(TABLE)
    assert describe_changes([change, RowChange(OLD, None)]) == [
        "change endpoint sip:OcsChat@contoso.test",
        "  pool_fqdn: pcpool.contoso.test -> new.contoso.test",
        "  display_name: Old chat -> (none)",
        "remove endpoint sip:OcsChat@contoso.test",
    ]
    pool = RowChange(Pool("p.q"), Pool("p.q", "tls", 5041))
    assert describe_changes([pool, RowChange(pool.after, None)]) == [
        "change pool p.q",
        "  transport: auto -> tls",
        "  port: by SRV -> 5041",
        "reset pool p.q (transport and port by DNS)",
    ]
    canaries = [
        RowChange(OLD, replace(OLD, canary=Canary("new.contoso.test", 5, pilots)))
        for pilots in (frozenset({"a@b.test"}), frozenset({"a@b.test", "c@b.test"}))
    ]
    assert describe_changes(canaries)[1::2] == [
        "  canary: (none) -> 5 % and 1 pilot to new.contoso.test",
        "  canary: (none) -> 5 % and 2 pilots to new.contoso.test",
    ]
