"""What several contacts say is told as one answer (RFC 3261 section 16.7)."""

import pytest

from tests.support.messages import lines_of, request
from tests.support.playbook import HOSTS
from tests.support.registry import ALICE, Registry

ONE = 'WWW-Authenticate: Digest realm="one", nonce="1"'
TWO = 'Proxy-Authenticate: Digest realm="two",\r\n nonce="2"'
SIGNED = 'Authentication-Info: NTLM rspauth="0100", srand="1", snum="1"'


@pytest.fixture
def registry():
    """Alice has three contacts."""
    registry = Registry()
    for place, peer in enumerate(("fe1", "fe2", "fe3")):
        contact = f"<sip:alice@{HOSTS[peer]}:5060>;q=0.{9 - place}"
        registry.register(contact, call_id=peer)
    registry.send("client", request(f"MESSAGE {ALICE}"))
    registry.sees("fe1 < MESSAGE")
    yield registry
    registry.finish()


def answer(registry, peer, status, *extra, last=False):
    registry.answer(peer, status, *extra, to="MESSAGE")
    if not last:
        registry.sees(f"fe{int(peer[2]) + 1} < MESSAGE")


def challenges(registry):
    data = registry.last("client")
    return [
        *lines_of(data, "WWW-Authenticate"),
        *lines_of(data, "Proxy-Authenticate"),
    ]


def test_every_challenge_goes_back(registry):
    """Item 7; their order is that of the answers."""
    answer(registry, "fe1", 401, ONE)
    answer(registry, "fe2", 407, TWO)
    answer(registry, "fe3", 401, ONE, ONE.replace("one", "three"), last=True)
    registry.sees("client < 401")
    data = registry.last("client")
    for line in (ONE, TWO, ONE.replace("one", "three")):
        assert data.count(b"\r\n" + line.encode() + b"\r\n") == 1
    assert data.index(b"two") < data.index(b"three")


def test_a_407_brings_the_others_as_well(registry):
    answer(registry, "fe1", 407, TWO)
    answer(registry, "fe2", 404)
    answer(registry, "fe3", 401, ONE, last=True)
    registry.sees("client < 407")
    assert ONE.encode() in challenges(registry)


def test_an_answer_that_is_no_challenge_brings_none(registry):
    answer(registry, "fe1", 401, ONE)
    answer(registry, "fe2", 603, last=True)
    registry.sees("client < 603")
    assert not challenges(registry)


def test_a_signed_answer_is_not_touched(registry):
    """[MS-SIPAE]: its client knows no association but this server's."""
    answer(registry, "fe1", 401, ONE, SIGNED)
    answer(registry, "fe2", 407, TWO)
    answer(registry, "fe3", 486, last=True)
    registry.sees("client < 401")
    assert challenges(registry) == [ONE.encode()]


def test_one_challenge_alone_leaves_byte_for_byte(registry):
    answer(registry, "fe1", 404)
    answer(registry, "fe2", 401, ONE)
    answer(registry, "fe3", 404, last=True)
    registry.sees("client < 401")
    assert registry.last("client").count(b"Authenticate") == 1


@pytest.mark.parametrize(("method", "status"), [("INVITE", 408), ("MESSAGE", 480)])
def test_contacts_that_are_silent(method, status):
    """Item 6: 408 to an INVITE; no other request may get one (RFC 4320)."""
    registry = Registry()
    for peer in ("fe1", "fe2"):
        registry.register(f"<sip:alice@{HOSTS[peer]}:5060>", call_id=peer)
    registry.send("client", request(f"{method} {ALICE}"))
    registry.advance_quietly(13.0)
    final = registry.sent[-1]
    finals = [
        d for p, d in registry.sent if p == "client" and d[8:11] == b"%d" % status
    ]
    assert finals, final
    assert b"ms-diagnostics: " in finals[0]


def test_a_contact_that_was_silent_counts_more_than_one_that_is_gone():
    registry = Registry()
    registry.register(f"<sip:alice@{HOSTS['fe1']}:5060>;q=0.9", call_id="1")
    registry.register(f"<sip:alice@{HOSTS['fe2']}:5060>;q=0.1", call_id="2")
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.advance_quietly(4.1)
    registry.icmp("fe2")
    registry.sees("client < 408")


def test_contacts_that_are_all_gone_make_480():
    registry = Registry()
    registry.register(f"<sip:alice@{HOSTS['fe1']}:5060>", call_id="1")
    registry.send("client", request(f"INVITE {ALICE}"))
    registry.sees("client < 100", "fe1 < INVITE")
    registry.icmp("fe1")
    registry.sees("client < 480")
