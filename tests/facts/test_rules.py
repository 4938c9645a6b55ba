"""The rules about Lync's facts: what is right is green, one mistake turns one step."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.facts.world import (
    ALIAS,
    NOW,
    POOL,
    PROXY,
    ROUTED,
    ROWS,
    SECOND,
    WANTED_A,
    WANTED_B,
    endpoint,
    flipped,
    judge,
    right_a,
    right_b,
    rows,
)

USER = "CN=ocschat,OU=Service,DC=contoso,DC=com"


def user(enabled=True, **more):
    return {
        "alias": ALIAS,
        "sip_address": ALIAS,
        "identity": USER,
        "enabled": enabled,
    } | more


def text_of(document, step, wanted=WANTED_A):
    _, findings = judge(document, wanted)
    return " | ".join(
        f"{f.text} -> {f.fix}" for f in findings if (f.of, f.name) == step
    )


def test_everything_right_in_topology_a_is_green():
    verdicts, findings = judge(right_a())
    assert set(verdicts.values()) == {"ok"}
    assert [f.fix for f in findings] == [""] * len(findings)
    names = {name for _, name in verdicts}
    assert names == {
        *("age", "old-service", "account", "twin", "reach", "trust", "published"),
        *("domain-alias", "pool", "clients"),
    }


def test_everything_right_in_topology_b_leaves_what_lync_cannot_see():
    verdicts, _ = judge(right_b(), WANTED_B)
    unsure = {step: verdict for step, verdict in verdicts.items() if verdict != "ok"}
    # The users' own domains have no address here: only a policy of theirs leads to us.
    assert unsure == {
        ("contoso.com", "domain-alias"): "warning",
        ("fabrikam.com", "domain-alias"): "warning",
    }


def test_a_user_that_is_still_enabled():
    document = right_a()
    rows(document, "users").append(user())
    rows(document, "ad_users").append(user())
    assert flipped(document) == {(ALIAS, "account"): "failed"}
    said = text_of(document, (ALIAS, "account"))
    assert "enabled for Lync" in said and f'Disable-CsUser -Identity "{USER}"' in said


def test_a_user_that_is_switched_off_but_not_deleted_keeps_the_address():
    document = right_a()
    rows(document, "users").append(user(enabled=False))
    assert flipped(document) == {(ALIAS, "account"): "failed"}
    assert "keeps the address" in text_of(document, (ALIAS, "account"))


def test_an_account_that_is_kept_without_the_address_is_amber_for_its_proxy_address():
    document = right_a()
    kept = user(None, sip_address=None, proxy_addresses=["SMTP:x@y", ALIAS.upper()])
    rows(document, "ad_users").append(kept)
    assert flipped(document) == {(ALIAS, "account"): "warning"}
    kept["proxy_addresses"] = "smtp:x@y"  # alone, without its brackets
    assert flipped(document) == {}


def test_something_else_has_the_address():
    document = right_a()
    room = {"sip_address": ALIAS, "identity": "CN=Room 1", "object_class": ["contact"]}
    rows(document, "principals").append(room)
    assert flipped(document) == {(ALIAS, "account"): "failed"}
    # Our own contact is not somebody else.
    room["identity"] = endpoint(ALIAS, 1)["identity"]
    assert flipped(document) == {}


def test_a_trusted_endpoint_is_missing():
    document = right_a()
    del rows(document, "trusted_endpoints")[0], rows(document, "own_endpoints")[0]
    assert flipped(document) == {(ALIAS, "reach"): "failed"}
    said = text_of(document, (ALIAS, "reach"))
    assert f"New-CsTrustedApplicationEndpoint -SipAddress {ALIAS}" in said


def test_an_endpoint_of_another_pool_with_the_same_application_name():
    document = right_a()
    del rows(document, "own_endpoints")[0]
    assert flipped(document) == {(ALIAS, "reach"): "failed"}
    assert "another pool" in text_of(document, (ALIAS, "reach"))


def test_a_wrong_port():
    document = right_a()
    rows(document, "trusted_applications")[0]["port"] = 5071
    assert flipped(document) == {(PROXY, "trust"): "failed"}
    said = text_of(document, (PROXY, "trust"))
    assert "on port 5071, but we listen on 5061" in said
    assert f"Set-CsTrustedApplication -Identity {PROXY}/legacychat -Port 5061" in said


def test_a_topology_that_is_not_published():
    document = right_a()
    rows(document, "local_topology")[0]["names_waypost"] = False
    assert flipped(document) == {(PROXY, "published"): "failed"}
    assert "Enable-CsTopology" in text_of(document, (PROXY, "published"))


def test_a_persistent_chat_endpoint_with_the_same_uri():
    document = right_a()
    twin = {"pool_fqdn": POOL, "sip_address": ALIAS.upper(), "identity": "CN=x"}
    rows(document, "chat_endpoints").append(twin)
    assert flipped(document) == {(ALIAS, "twin"): "failed"}
    said = text_of(document, (ALIAS, "twin"))
    assert "two contacts" in said and "Remove-CsPersistentChatEndpoint" in said


def test_an_alias_is_missing_in_the_second_domain():
    wanted = dataclasses.replace(WANTED_A, aliases={ALIAS: POOL})
    verdicts, _ = judge(right_a(), wanted)
    assert verdicts[("fabrikam.com", "domain-alias")] == "failed"
    assert "312 users" in text_of(right_a(), ("fabrikam.com", "domain-alias"), wanted)
    del verdicts[("fabrikam.com", "domain-alias")]
    assert set(verdicts.values()) == {"ok"}


@pytest.mark.parametrize(
    ("hours", "verdict"), [(23, "ok"), (25, "warning"), (-1, "warning")]
)
def test_facts_that_are_older_than_a_day_are_amber(hours, verdict):
    verdicts, _ = judge(right_a(), now=NOW - 3600 + hours * 3600)
    assert verdicts[("facts", "age")] == verdict


A = {
    # section, row, property, wrong value → the step that it turns, and to what
    ("trusted_pools", 0, "registrar", ""): ((PROXY, "trust"), "failed"),
    ("trusted_pools", 0, "treat_as_authenticated", False): ((PROXY, "trust"), "failed"),
    ("trusted_pools", 0, "treat_as_authenticated", None): ((PROXY, "trust"), "unknown"),
    ("trusted_pools", 0, "outbound_only", True): ((PROXY, "trust"), "warning"),
    ("trusted_pools", 0, "requires_replication", True): ((PROXY, "trust"), "warning"),
    ("trusted_pools", 0, "throttle_as_server", False): ((PROXY, "trust"), "warning"),
    ("trusted_pools", 0, "throttle_as_server", None): ((PROXY, "trust"), "unknown"),
    ("trusted_pools", 0, "pool_fqdn", "other.contoso.com"): (
        (PROXY, "trust"),
        "failed",
    ),
    ("trusted_computers", 0, "pool_fqdn", "x.contoso.com"): (
        (PROXY, "trust"),
        "failed",
    ),
    ("trusted_applications", 0, "pool_fqdn", "x.y.com"): ((PROXY, "trust"), "failed"),
    ("trusted_applications", 0, "port", None): ((PROXY, "trust"), "failed"),
    ("trusted_endpoints", 1, "enabled", False): ((SECOND, "reach"), "failed"),
    ("trusted_endpoints", 1, "enabled", None): ((SECOND, "reach"), "warning"),
    ("trusted_endpoints", 1, "registrar_pool", "fe9.contoso.com"): (
        (SECOND, "reach"),
        "warning",
    ),
    ("own_endpoints", 1, "sip_address", "sip:x@y.com"): ((SECOND, "reach"), "failed"),
    ("replicas", 0, "up_to_date", False): ((PROXY, "published"), "warning"),
    ("local_topology", 0, "names_waypost", None): ((PROXY, "published"), "failed"),
    ("chat_pools", 0, "active_servers", ()): ((POOL, "pool"), "failed"),
    ("chat_pools", 0, "inactive_servers", ("pc3.x.com",)): ((POOL, "pool"), "warning"),
    ("chat_pools", 0, "mtls_port", 5061): ((POOL, "pool"), "failed"),
    ("chat_pools", 0, "mtls_port", None): ((POOL, "pool"), "unknown"),
    ("chat_pools", 0, "pool_fqdn", "x.contoso.com"): ((POOL, "pool"), "failed"),
    ("chat_states", 0, "state", "FailedOver"): ((POOL, "pool"), "warning"),
    ("chat_states", 0, "state", None): ((POOL, "pool"), "unknown"),
    ("chat_services", 0, "status", "Stopped"): ((POOL, "pool"), "failed"),
    ("chat_services", 2, "status", 1): ((POOL, "pool"), "failed"),
    ("chat_services", 2, "computer", "pc9.x.com"): ((POOL, "pool"), "unknown"),
    ("chat_endpoints", 0, "sip_address", ALIAS): ((ALIAS, "twin"), "failed"),
    ("chat_endpoints", 0, "sip_address", "sip:chat@x.com"): ((POOL, "twin"), "warning"),
    ("chat_policies", 0, "enabled", False): (("users", "clients"), "warning"),
    ("chat_policies", 1, "enabled", False): (("users", "clients"), "warning"),
    ("chat_policies", 1, "enabled", None): (("users", "clients"), "unknown"),
    ("ocs_users", 0, "users", 7): (("users", "clients"), "warning"),
    ("user_counts", 1, "policy", "Unheard"): (("users", "clients"), "unknown"),
    ("old_services", 1, "state", "Running"): (
        ("gc1.contoso.com", "old-service"),
        "failed",
    ),
    ("old_services", 1, "start_mode", "Auto"): (
        ("gc1.contoso.com", "old-service"),
        "warning",
    ),
    ("old_services", 0, "reached", False): (
        ("gc1.contoso.com", "old-service"),
        "unknown",
    ),
}
B = {
    ("enabled", False): "failed",
    ("enabled", None): "failed",
    ("phone_only", True): "failed",
    ("replace_host", True): "warning",
    ("transport", "TCP"): "failed",
    ("next_hop", "other.contoso.com"): "failed",
    ("port", 5071): "failed",
}


@given(st.sampled_from(sorted(A, key=repr)))
def test_one_wrong_field_turns_exactly_its_step(place):
    section, at, name, value = place
    document = right_a()
    assert rows(document, section)[at][name] != value
    rows(document, section)[at][name] = value
    step, verdict = A[place]
    assert flipped(document) == {step: verdict}


@given(st.sampled_from(sorted(B, key=repr)))
def test_one_wrong_field_of_a_route_turns_exactly_its_step(place):
    document = right_b()
    rows(document, "static_routes")[1][place[0]] = place[1]
    assert flipped(document, WANTED_B) == {(ROUTED, "reach"): B[place]}


NEEDED_BY = {
    "account": "users ad_users principals",
    "reach": "trusted_endpoints own_endpoints",
    "trust": "trusted_pools trusted_computers trusted_applications",
    "published": "replicas local_topology",
    "pool": "chat_pools chat_states chat_services",
    "twin": "chat_endpoints",
    "domain-alias": "sip_domains user_counts",
    "clients": "user_counts chat_policies ocs_users",
    "old-service": "old_services",
}


@pytest.mark.parametrize("section", ROWS)
@pytest.mark.parametrize("kind", ["missing", "refused"])
def test_a_section_that_was_not_read_is_unknown_and_never_green(section, kind):
    document = right_a()
    if kind == "missing":
        del document["sections"][section]
    else:
        document["sections"][section] |= {"ok": False, "error": "Access is denied."}
    verdicts, findings = judge(document)
    unknown = {name for (_, name), verdict in verdicts.items() if verdict == "unknown"}
    assert unknown == {n for n, used in NEEDED_BY.items() if section in used.split()}
    assert "failed" not in verdicts.values()
    if kind == "refused" and unknown:
        assert any("Access is denied." in f.text for f in findings)


def test_what_the_script_was_not_asked_for_is_unknown():
    document = right_a()
    document["aliases"] = ALIAS  # one alone, and its brackets are lost
    assert flipped(document) == {(SECOND, "account"): "unknown"}
    document = right_a() | {"waypost_fqdn": "other.contoso.com"}
    assert set(flipped(document).values()) == {"unknown"}


def test_a_route_beside_a_collection_of_a_registrar_may_be_hidden():
    document = right_b()
    own = {"collection": "Service:Registrar:fepool.contoso.com", "match_uri": ""}
    rows(document, "static_routes").append(own)
    assert flipped(document, WANTED_B) == {(ROUTED, "reach"): "warning"}


def test_no_route_at_all_is_topology_a_unless_one_says_b():
    document = right_b()
    del rows(document, "static_routes")[1]
    said = text_of(document, (ROUTED, "reach"), WANTED_B)
    assert "no trusted application endpoint has it" in said
    named = dataclasses.replace(WANTED_B, topology="b")
    assert "New-CsStaticRoute" in text_of(document, (ROUTED, "reach"), named)


def test_in_topology_c_lync_leads_nothing_here():
    verdicts, _ = judge(right_a(), dataclasses.replace(WANTED_A, topology="c"))
    names = {name for _, name in verdicts}
    assert not names & {"reach", "trust", "published"}
    assert names >= {"account", "old-service", "domain-alias", "clients", "pool"}
