"""A request for an address that memory does not know waits for the shared store."""

import pytest

from proxy.location.binding import Binding, BindingChange
from tests.support.messages import line_of, request
from tests.support.playbook import DOMAIN, HOSTS, POOL
from tests.support.registry import ALICE, Registry

AOR = f"alice@{DOMAIN}"
GC = f"sip:gc-1@{DOMAIN}"
UNKNOWN = "look up alice@contoso.test"


def binding(peer="bob", q=1.0, key=b"k"):
    uri = f"sip:alice@{HOSTS[peer]}:5060".encode()
    return Binding(AOR, key, uri, b"<%b>" % uri, q, 9e9, 1.0, b"c", 1)


@pytest.fixture
def registry():
    registry = Registry(asks_store=True)
    yield registry
    registry.finish()


def cancel_of(data: bytes) -> bytes:
    text = data.decode().replace("INVITE sip", "CANCEL sip", 1)
    return text.replace("1 INVITE", "1 CANCEL").encode()


def test_an_address_that_another_proxy_knows_is_reached(registry):
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees(UNKNOWN)
    registry.store_says(AOR, binding())
    registry.sees("client < 100", f"bob < INVITE sip:alice@{HOSTS['bob']}:5060")


def test_contacts_are_tried_best_first(registry):
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees(UNKNOWN)
    registry.store_says(AOR, binding("fe3", 0.1, b"b"), binding("bob", 0.9))
    registry.sees("bob < MESSAGE")
    registry.answer("bob", 404)
    registry.sees("fe3 < MESSAGE")


def test_nobody_knows_it(registry):
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees(UNKNOWN)
    registry.store_says(AOR)
    registry.sees("client < 404")


def test_the_default_route_comes_after_the_store(registry):
    play = Registry(asks_store=True, default_route=b"sip:10.0.2.1:5060")
    play.send("client", request(f"MESSAGE {ALICE}"))
    play.sees(UNKNOWN)
    play.store_says(AOR)
    play.sees("edge < MESSAGE")
    play.finish()


def test_many_that_want_the_same_ask_once(registry):
    registry.send("client", request(f"MESSAGE {ALICE}", branch="z9hG4bK0"))
    registry.sees(UNKNOWN)
    for number in (1, 2):
        registry.send("client", request(f"MESSAGE {ALICE}", branch=f"z9hG4bK{number}"))
    registry.send("client", request(f"MESSAGE {ALICE}", branch="z9hG4bK1"))  # again
    registry.store_says(AOR, binding())
    registry.sees(*["bob < MESSAGE"] * 3)


def test_a_service_uri_that_another_proxy_has_just_learned(registry):
    registry.send("client", request(f"INVITE {GC}"))
    registry.sees(f"look up gc-1@{DOMAIN}")
    registry.store_says(f"gc-1@{DOMAIN}", learned=[(GC, POOL, f"ocschat@{DOMAIN}")])
    registry.sees("client < 100", f"use gc-1@{DOMAIN}", f"fe1 < INVITE {GC}")
    # From now on memory knows it.
    registry.send("client", request(f"MESSAGE {GC}", branch="z9hG4bKb"))
    registry.sees(f"use gc-1@{DOMAIN}", "fe1 < MESSAGE")


def test_an_invite_that_is_cancelled_meanwhile_goes_nowhere(registry):
    invite = registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees(UNKNOWN)
    registry.send("client", cancel_of(invite))
    registry.sees("client < 200")
    registry.store_says(AOR, binding())
    registry.sees("client < 487")
    assert line_of(registry.last("client"), "cseq") == b"CSeq: 1 INVITE"


def test_what_memory_knows_is_not_asked_for(registry):
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("bob < MESSAGE sip:alice@10.1.0.10:40001")
    registry.send("client", request(f"MESSAGE sip:ocschat@{DOMAIN}", branch="z9hG4bKb"))
    registry.sees("fe1 < MESSAGE")
    # Nor whom nobody here could know, nor for what nobody answers.
    registry.send("client", request("MESSAGE sip:a@elsewhere.test", branch="z9hG4bKc"))
    registry.sees("client < 403")
    registry.send("client", request(f"ACK sip:nobody@{DOMAIN}", branch="z9hG4bKd"))


def test_a_store_of_our_own_is_never_asked():
    registry = Registry()
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("client < 404")
    registry.finish()


def test_what_others_register_counts_as_if_it_had_come_here(registry):
    changes = [BindingChange(AOR, b"k", binding())]
    other = binding("fe3", key=b"two")
    other = Binding("carol@contoso.test", *other.row()[1:])
    changes.append(BindingChange(other.aor, b"two", other))
    registry.others_save(*changes)
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("bob < MESSAGE")
    registry.others_save(BindingChange(AOR, b"k", None))
    registry.send("client", request(f"MESSAGE {ALICE}", branch="z9hG4bKb"))
    registry.sees(UNKNOWN)
    registry.store_says(AOR)
    registry.sees("client < 404")
    assert registry.bound("sip:carol@contoso.test") == [other.uri.decode()]
    # A REGISTER here answers with what was registered there.
    registry.others_save(changes[0])
    answer = registry.register("<sip:alice@10.1.0.9:40000>")
    assert len(answer.values("contact")) == 2
