"""Which request is a repetition, seen from outside (RFC 3261 section 17.2.3)."""

import pytest

from tests.support.messages import ALIAS, lines_of, request
from tests.support.registry import ALICE, Registry

PEERS = [("client", "UDP"), ("client/tcp", "TCP")]


@pytest.mark.parametrize(("peer", "transport"), PEERS)
@pytest.mark.parametrize("branch", ["z9hG4bK", "Z9HG4BK"])
def test_the_bare_cookie_merges_no_requests(play, peer, transport, branch):
    """RFC 4475, badbranch: it names no transaction; RFC 2543's matching does."""
    more = {"transport": transport, "branch": branch}
    play.send(peer, first := request(f"MESSAGE {ALIAS}", call_id="a", **more))
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 200)
    play.sees(f"{peer} < 200")
    play.send(peer, request(f"MESSAGE {ALIAS}", call_id="b", cseq=2, **more))
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 202)
    play.sees(f"{peer} < 202")
    assert lines_of(play.last(peer), "Call-ID") == [b"Call-ID: b"]
    if transport == "UDP":
        play.send(peer, first)
        play.sees(f"{peer} < 200")


@pytest.mark.parametrize(("peer", "transport"), PEERS)
def test_with_the_bare_cookie_ack_and_cancel_find_their_invite(play, peer, transport):
    more = {"transport": transport, "branch": "z9hG4bK"}
    play.send(peer, request(**more))
    play.sees(f"{peer} < 100", "fe1 < INVITE")
    play.send(peer, request(**more))
    play.sees(f"{peer} < 100")
    play.answer("fe1", 180)
    play.sees(f"{peer} < 180")
    play.send(peer, request(f"CANCEL {ALIAS}", **more))
    play.sees(f"{peer} < 200", "fe1 < CANCEL")
    play.answer("fe1", 487)
    play.sees("fe1 < ACK", f"{peer} < 487")
    play.send(peer, request(f"ACK {ALIAS}", to=f"<{ALIAS}>;tag=pool-1", **more))
    play.sees()


def test_a_branch_used_again_merges_no_requests(play):
    play.send("client", request(f"MESSAGE {ALIAS}", call_id="a"))
    play.sees("fe1 < MESSAGE")
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.send("client", request(f"MESSAGE {ALIAS}", call_id="b"))
    play.sees("fe1 < MESSAGE")


def test_a_repetition_in_another_case_is_absorbed(play):
    play.send("client", request(branch="z9hG4bKaB"))
    play.sees("client < 100", "fe1 < INVITE")
    play.send("client", request(branch="z9hg4bKAb"))
    play.sees("client < 100")


def test_a_register_under_the_old_branch_gets_an_answer_of_its_own():
    """Over UDP; the challenge of the first one was repeated instead."""
    registry = Registry(registrar={"trusted_networks": ()})
    contact = registry.contact_of("client")
    via = "SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-same"
    registry.send_register(contact, cseq=1, via=via)
    registry.sees("client < 401")
    registry.send_register(contact, cseq=1, via=via)
    registry.sees("client < 401")
    registry.send_register(contact, aor=ALICE, cseq=2, via=via)
    registry.sees("client < 401")
    assert lines_of(registry.last("client"), "CSeq") == [b"CSeq: 2 REGISTER"]
