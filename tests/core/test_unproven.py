"""Answers to a UDP address that has not shown that it hears us; RFC 9000 section 8.1.

The stranger of the playbook is such a one, all others of the cast have been heard.
"""

import re

import pytest

from proxy.core.forwarding.waiting import MOST_RELAYED
from proxy.transaction.budget import GARBLED, GARBLED_AT_ONCE
from tests.support.messages import ALIAS, read, request, response
from tests.support.playbook import POOL, Playbook

ALIAS_URI = ALIAS[1:-1] if ALIAS.startswith("<") else ALIAS


VIA = {
    "stranger": "SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK1",
    "stranger/tcp": "SIP/2.0/TCP 192.0.2.66:5060;branch=z9hG4bK1",
}


class Street(Playbook):
    """What the proxy does is not a script here, only what the stranger gets."""

    def _note(self, line: str) -> None:
        pass


def got_by(play: Street) -> list[bytes]:
    return [data for name, data in play.sent if name == "stranger"]


def statuses(play: Street) -> list[int]:
    return [read(data).status for data in got_by(play)]


def ack(invite: bytes, tag: str) -> bytes:
    data = invite.replace(b"INVITE", b"ACK")
    return re.sub(rb"(?m)^To: ([^\r]*)", rb"To: \1;tag=" + tag.encode(), data)


def tag_of(data: bytes) -> str:
    found = re.search(rb"(?m)^To: [^\r]*;tag=([^;\r]+)", data)
    assert found
    return found[1].decode()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "MESSAGE"])
@pytest.mark.parametrize("uri", [ALIAS_URI, "sip:nobody@contoso.test"])
def test_a_forged_source_gets_at_most_three_times_what_was_sent(
    method: str, uri: str
) -> None:
    """A dead pool, and nobody at home: 11 datagrams each, and 26 times the bytes."""
    play = Street()
    data = play.send("stranger", request(f"{method} {uri}"))
    play.advance_quietly(60)
    assert got_by(play), "it does get an answer"
    assert sum(map(len, got_by(play))) <= 3 * len(data)


def test_malformed_requests_are_no_way_round() -> None:
    play = Street()
    said = 0
    for n in range(20):
        data = request(branch=f"z9hG4bKm{n}").replace(b"CSeq: 1 ", b"CSeq: x ")
        said += len(play.send("stranger", data))
    play.advance_quietly(60)
    assert 0 < sum(map(len, got_by(play))) <= 3 * said


def test_a_call_of_usual_size_misses_nothing() -> None:
    """About what a softphone sends, or a legacy client's first INVITE."""
    play = Street()
    play.send("stranger", request(f"INVITE {ALIAS_URI}", body=b"v=0\r\n" + b"x" * 500))
    play.answer("fe1", 180)
    play.answer("fe1", 200, "Contact: <sip:fe1@10.0.1.1>", body=b"v=0\r\n" + b"y" * 500)
    assert statuses(play) == [100, 180, 200]


def test_a_client_that_gets_nothing_sends_again_and_makes_room() -> None:
    """125 bytes are too few for an answer to fit; the retransmission is not."""
    play = Street()
    play.send("stranger", tiny := short("INVITE sip:nobody@contoso.test"))
    for _ in range(3):
        play.advance_quietly(0.5)
        play.send("stranger", tiny)
    assert statuses(play)[-1] == 404
    assert sum(map(len, got_by(play))) <= 3 * 4 * len(tiny)


def short(start: str) -> bytes:
    return (
        f"{start} SIP/2.0\r\nv:SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK1\r\n"
        "f:<sip:a@b>;tag=1\r\nt:<sip:a@b>\r\ni:1\r\nCSeq:1 INVITE\r\n\r\n"
    ).encode()


def test_an_ack_with_our_tag_proves_the_address_and_one_without_does_not() -> None:
    play = Street()
    invite = play.send("stranger", request("INVITE sip:nobody@contoso.test"))
    (transaction,) = play.core.transactions.servers.values()
    play.send("stranger", ack(invite, "guessed"))
    assert not transaction.flow.hears_us


def test_an_ack_that_has_seen_our_answer_proves_the_address() -> None:
    play = Street()
    invite = play.send("stranger", request("INVITE sip:nobody@contoso.test"))
    (transaction,) = play.core.transactions.servers.values()
    play.send("stranger", ack(invite, tag_of(play.last("stranger"))))
    assert transaction.flow.hears_us


@pytest.mark.parametrize("peer", ["stranger", "stranger/tcp"])
def test_and_makes_nobody_more_than_a_stranger(peer: str) -> None:
    """A refused call costs nothing: it must not buy the room that friends have."""
    play = Street()
    invite = play.send(peer, request("INVITE sip:nobody@contoso.test", via=VIA[peer]))
    (transaction,) = play.core.transactions.servers.values()
    play.send(peer, ack(invite, tag_of(play.last(peer))))
    assert transaction.state != "completed"
    assert not transaction.flow.is_proven
    assert not play.core.budget.has_room(transaction.flow, play.core.budget.total // 3)


def test_a_tag_that_the_invite_brought_itself_proves_nothing() -> None:
    """Its sender knows it without having heard us, and so may the source be forged."""
    play = Street()
    to = "<sip:nobody@contoso.test>;tag=mine"
    invite = play.send("stranger", request("INVITE sip:nobody@contoso.test", to=to))
    (transaction,) = play.core.transactions.servers.values()
    play.send("stranger", invite.replace(b"INVITE", b"ACK"))
    assert transaction.state == "confirmed"
    assert not transaction.flow.hears_us


@pytest.mark.parametrize("branch", ["", "guessed"])
def test_an_answer_to_a_request_of_ours_proves_the_address(branch: str) -> None:
    """The pool's NOTIFY goes down to the client that subscribed."""
    play = Street()
    via = "SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK7"
    contact = "Contact: <sip:x@192.0.2.66:5060>"
    play.send("stranger", request(f"SUBSCRIBE {ALIAS_URI}", contact, via=via))
    play.answer("fe1", 200, "Contact: <sip:fe1@10.0.1.1>")
    routes = read(play.request_at("fe1")).values("record-route")
    back = [f"Route: {value.decode()}" for value in routes]
    notify = request(
        "NOTIFY sip:x@192.0.2.66:5060",
        *back,
        via="SIP/2.0/UDP 10.0.1.1:5060;branch=z9hG4bKn",
        to="<sip:alice@contoso.test>;tag=alice-1",
    )
    play.send("fe1", notify)
    assert not play.flow("stranger").is_proven
    asked = play.request_at("stranger", "NOTIFY")
    if branch:
        asked = re.sub(rb"branch=[^;\r]+", b"branch=z9hG4bKguessed", asked, count=1)
    play.send("stranger", response(asked, 200))
    assert play.flow("stranger").is_proven is not bool(branch)


def test_cancels_of_nothing_are_held_within_the_budget() -> None:
    """Each is answered, but with no transaction where there is no room for one."""
    play = Street()
    play.core.budget.allow(1_000_000)
    fat = [f"Via: SIP/2.0/UDP h;x={'x' * 7_000}"] * 7  # what an answer copies
    for n in range(100):
        play.send(
            "stranger", request("CANCEL sip:x@contoso.test", *fat, branch=f"z9hG4bK{n}")
        )
    assert statuses(play) == [481] * 100
    assert play.core.budget.shed > 0
    assert play.core.budget.held <= 1_000_000


def test_acks_that_wait_for_dns_are_held_within_limits() -> None:
    """No transaction accounts for them, and nobody misses one in such a crowd."""
    play = Street(unresolved=True)
    for n in range(200):
        data = request(
            f"BENOTIFY {ALIAS_URI}", branch=f"z9hG4bK{n}", body=b"x" * 60_000
        )
        play.send("stranger", data)
    waiting = play.core.waiting
    parked = [x for each in waiting.parked.values() for x in each]
    held = [len(each.candidates.request.body) for each in parked]
    assert 60 * 60_000 < sum(held) <= waiting.relayed_bytes <= MOST_RELAYED
    play.resolves(POOL, "fe1")
    assert waiting.relayed_bytes == len(waiting._relayed) == 0
    assert len([name for name, _ in play.sent if name == "fe1"]) == len(held)


@pytest.mark.parametrize("where", ["stranger", "stranger/tcp"])
def test_a_stranger_who_floods_with_unreadable_requests_gets_few_answers(
    where: str,
) -> None:
    play = Street()
    broken = request(f"OPTIONS {ALIAS_URI}").replace(b"CSeq: 1", b"CSeq: one")
    for _ in range(500):
        play.send(where, broken)
        play.send("client", broken)
    answers = [name for name, data in play.sent if read(data).status == 400]
    assert answers.count(where) == GARBLED_AT_ONCE
    assert answers.count("client") == 500  # of a friend each is answered
    assert play.core.malformed_received == 1_000
    assert play.core.ignored == 500 - GARBLED_AT_ONCE
    play.send(where, b"SIP/2.0 what\r\n\r\n")
    assert play.core.ignored == 501 - GARBLED_AT_ONCE
    play.advance_quietly(1.1 / GARBLED)
    play.send(where, broken)
    assert play.core.ignored == 501 - GARBLED_AT_ONCE
