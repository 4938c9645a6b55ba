"""A request for somebody who has registered: contact after contact."""

import pytest

from tests.support.messages import line_of, lines_of, request
from tests.support.playbook import DOMAIN, HOSTS, endpoint
from tests.support.registry import ALICE, Registry

LOOKUP = f"sip:ocschat@{DOMAIN}"


@pytest.fixture
def registry():
    registry = Registry(endpoints=())
    yield registry
    registry.finish()


def contact(user, peer):
    return f"<sip:{user}@{HOSTS[peer]}:5060>"


def test_an_invite_reaches_the_contact_of_who_registered(registry):
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees("client < 100", "bob < INVITE sip:alice@10.1.0.10:40001")
    assert lines_of(registry.last("bob"), "record-route")
    assert line_of(registry.last("bob"), "to") == b"To: <sip:alice@contoso.test>"
    registry.answer("bob", 200)
    registry.sees("client < 200")


@pytest.mark.parametrize("method", ["SUBSCRIBE", "MESSAGE", "SERVICE", "OPTIONS"])
def test_every_other_request_does_too(registry, method):
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    registry.send("client", request(f"{method} {ALICE}"))
    registry.sees(f"bob < {method} sip:alice@10.1.0.10:40001")


def test_the_contact_is_asked_over_the_connection_that_it_registered_over(registry):
    registry.register("<sip:10.1.0.10:40001;transport=tcp>", peer="bob/tcp")
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees("client < 100", "bob/tcp < INVITE sip:10.1.0.10:40001;transport=tcp")


def test_behind_a_nat_the_source_address_counts(registry):
    registry.register(
        "<sip:alice@192.168.0.2:5062>",
        peer="bob",
        via="SIP/2.0/UDP 192.168.0.2:5062;rport;branch=z9hG4bKnat",
    )
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("bob < MESSAGE sip:alice@192.168.0.2:5062")


def test_a_contact_that_somebody_else_registered_is_asked_where_it_says(registry):
    registry.register(contact("ocschat", "edge"), aor=LOOKUP)
    registry.send("client", request(f"MESSAGE {LOOKUP}"))
    registry.sees(f"edge < MESSAGE sip:ocschat@{HOSTS['edge']}:5060")


def test_when_the_connection_is_gone_the_contact_is_tried(registry):
    registry.register("<sip:10.1.0.10:40001;transport=tcp>", peer="bob/tcp")
    registry.closes("bob/tcp")
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("connect bob/tcp")
    registry.cannot_connect("bob/tcp")
    registry.sees("client < 480")
    assert b"1006" in line_of(registry.last("client"), "ms-diagnostics")


def test_path_leads_the_way_as_a_route(registry):
    registry.register(
        contact("alice", "bob"),
        headers=(f"Path: <sip:{HOSTS['edge']}:5060;lr>", "Path: <sip:inner;lr>"),
    )
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees(f"edge < MESSAGE sip:alice@{HOSTS['bob']}:5060")
    assert lines_of(registry.last("edge"), "route") == [
        b"Route: <sip:10.0.2.1:5060;lr>",
        b"Route: <sip:inner;lr>",
    ]


def test_several_instances_are_tried_in_order_of_q(registry):
    registry.register(
        f"{contact('ocschat', 'fe1')};q=0.1",
        f"{contact('ocschat', 'fe2')};q=0.9",
        f"{contact('ocschat', 'fe3')};q=0.5",
        aor=LOOKUP,
    )
    registry.send("client", request(f"INVITE {LOOKUP}"))
    registry.sees("client < 100", "fe2 < INVITE")
    registry.answer("fe2", 480)
    registry.sees("fe2 < ACK", "fe3 < INVITE")
    registry.answer("fe3", 500)
    registry.sees("fe3 < ACK", "fe1 < INVITE")
    registry.answer("fe1", 200)
    registry.sees("client < 200")


def test_the_newest_of_equals_is_tried_first(registry):
    registry.register(contact("ocschat", "fe1"), aor=LOOKUP, call_id="one")
    registry.advance(1)
    registry.register(contact("ocschat", "fe2"), aor=LOOKUP, call_id="two")
    registry.send("client", request(f"MESSAGE {LOOKUP}"))
    registry.sees("fe2 < MESSAGE")


def test_a_dead_instance_costs_one_round_trip(registry):
    registry.register(f"{contact('ocschat', 'fe1')};q=0.9", aor=LOOKUP)
    registry.register(f"{contact('ocschat', 'fe2')};q=0.5", aor=LOOKUP)
    registry.send("client", request(f"INVITE {LOOKUP}"))
    registry.sees("client < 100", "fe1 < INVITE")
    registry.icmp("fe1")
    registry.sees("fe2 < INVITE")


def test_a_silent_instance_costs_its_first_answer_time(registry):
    registry.register(f"{contact('ocschat', 'fe1')};q=0.9", aor=LOOKUP)
    registry.register(f"{contact('ocschat', 'fe2')};q=0.5", aor=LOOKUP)
    registry.send("client", request(f"MESSAGE {LOOKUP}"))
    registry.sees("fe1 < MESSAGE")
    start = registry.now
    while "fe2" not in [name for name, _ in registry.sent]:
        registry._script.clear()
        registry.advance(0.5)
        assert registry.now < start + 5
    registry._script.clear()


def test_a_6xx_of_one_instance_ends_the_search(registry):
    registry.register(f"{contact('ocschat', 'fe1')};q=0.9", aor=LOOKUP)
    registry.register(f"{contact('ocschat', 'fe2')};q=0.5", aor=LOOKUP)
    registry.send("client", request(f"MESSAGE {LOOKUP}"))
    registry.sees("fe1 < MESSAGE")
    registry.answer("fe1", 603)
    registry.sees("client < 603")


def test_the_best_of_all_answers_goes_back(registry):
    registry.register(f"{contact('ocschat', 'fe1')};q=0.9", aor=LOOKUP)
    registry.register(f"{contact('ocschat', 'fe2')};q=0.5", aor=LOOKUP)
    registry.send("client", request(f"MESSAGE {LOOKUP}"))
    registry.sees("fe1 < MESSAGE")
    registry.answer("fe1", 404)
    registry.sees("fe2 < MESSAGE")
    registry.answer("fe2", 500)
    registry.sees("client < 404")


def test_who_has_not_registered_is_404(registry):
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees("client < 404")


def test_an_expired_binding_leads_nowhere(registry):
    registry.register(f"{contact('alice', 'bob')};expires=60")
    registry.advance(61)
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("client < 404")


def test_an_endpoint_comes_before_a_binding():
    registry = Registry(endpoints=())
    registry.register(contact("ocschat", "edge"), aor=LOOKUP)
    registry.table_changes(type(registry.table)((endpoint(),)))
    registry.send("client", request(f"MESSAGE {LOOKUP}"))
    registry.sees("fe1 < MESSAGE")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.5", "0.0.0.0", "224.0.1.75"])
def test_who_registers_elsewhere_names_no_service_of_this_machine(registry, host):
    registry.register(f"<sip:alice@{host}:6379;transport=tcp>", peer="bob")
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("client < 480")
