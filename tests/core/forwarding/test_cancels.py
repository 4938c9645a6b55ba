"""CANCEL and its races (RFC 3261 sections 9 and 16.10)."""

import pytest

from tests.support.messages import ALIAS, line_of, lines_of, request

INVITE = request()
CANCEL = request(f"CANCEL {ALIAS}")


def begin(play):
    play.send("client", INVITE)
    play.sees("client < 100", "fe1 < INVITE")


def test_a_ringing_call_is_cancelled(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    play.answer("fe1", 200, to="CANCEL")
    play.answer("fe1", 487)
    play.sees("fe1 < ACK", "client < 487")


def test_our_cancel_carries_the_branch_of_the_invite_it_stops(play):
    """RFC 3261 section 9.1."""
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    invite, cancel = play.request_at("fe1", "INVITE"), play.last("fe1")
    assert line_of(cancel, "Via") == lines_of(invite, "Via")[0]
    for name in ("From", "To", "Call-ID"):
        assert line_of(cancel, name) == line_of(invite, name)
    assert line_of(cancel, "CSeq") == b"CSeq: 1 CANCEL"


def test_a_cancel_waits_for_the_first_provisional(play):
    """RFC 3261 section 9.1: nothing may be cancelled that was not answered."""
    begin(play)
    play.send("client", CANCEL)
    play.sees("client < 200")
    play.answer("fe1", 180)
    play.sees("client < 180", "fe1 < CANCEL")
    play.answer("fe1", 487)
    play.sees("fe1 < ACK", "client < 487")


def test_a_cancelled_search_does_not_go_on_to_the_next_front_end(play):
    begin(play)
    play.send("client", CANCEL)
    play.sees("client < 200")
    play.icmp("fe1")
    play.sees("client < 487")


def test_a_200_beats_the_cancel(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.answer("fe1", 481, to="CANCEL")
    play.sees()


def test_a_cancel_after_the_200_changes_nothing(play):
    begin(play)
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.send("client", CANCEL)
    play.sees("client < 200")


def test_a_cancel_while_dns_is_awaited_ends_the_call(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.send("client", CANCEL)
    play.sees("client < 200", "client < 487")
    play.resolves("pcpool.contoso.test", "fe1")
    play.sees()


def test_a_cancel_while_a_connection_is_awaited_ends_the_call(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.send("client", CANCEL)
    play.sees("client < 200", "client < 487")
    play.connects("fe1/tcp")
    play.sees()


def test_a_cancel_for_nothing_is_481(play):
    play.send("client", CANCEL)
    play.sees("client < 481")


def test_a_repeated_cancel_is_answered_again_and_sent_once(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    play.send("client", CANCEL)
    play.sees("client < 200")


def test_nobody_answering_a_cancelled_call_ends_it_after_64_t1(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    play.answer("fe1", 200, to="CANCEL")
    play.advance(32.0)
    play.sees("32s client < 487")


def test_a_client_without_branch_cancels_by_the_old_rules(play):
    """RFC 3261 section 17.2.3, second half."""
    play.send("client/tcp", request(branch=None, transport="tcp"))
    play.sees("client/tcp < 100", "fe1 < INVITE")
    play.answer("fe1", 180)
    play.sees("client/tcp < 180")
    play.send("client/tcp", request(f"CANCEL {ALIAS}", branch=None, transport="tcp"))
    play.sees("client/tcp < 200", "fe1 < CANCEL")


def test_a_busy_beats_the_cancel(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    play.answer("fe1", 486)
    play.sees("fe1 < ACK", "client < 486")


WHY = (
    'Reason: SIP;cause=200;text="Call completed elsewhere"',
    "Reason:Q.850 ;cause=26",
)


def reasons(data):
    return [line.decode() for line in lines_of(data, "Reason")]


def test_the_reason_goes_on_byte_for_byte(play):
    """RFC 3326 section 2."""
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    folded = 'Reason: SIP;cause=487\r\n ;text="no, thanks"'
    play.send("client", request(f"CANCEL {ALIAS}", *WHY, folded, "X-Other: no"))
    play.sees("client < 200", "fe1 < CANCEL")
    sent = play.last("fe1")
    assert reasons(sent)[:2] == list(WHY) and folded.encode() in sent
    assert not lines_of(sent, "X-Other")


def test_the_reason_waits_with_the_cancel(play):
    begin(play)
    play.send("client", request(f"CANCEL {ALIAS}", *WHY))
    play.sees("client < 200")
    play.answer("fe1", 180)
    play.sees("client < 180", "fe1 < CANCEL")
    assert reasons(play.last("fe1")) == list(WHY)


def test_a_cancel_without_reason_makes_none(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", CANCEL)
    play.sees("client < 200", "fe1 < CANCEL")
    assert not reasons(play.last("fe1"))


def test_who_rings_when_another_has_answered_is_told_so(play):
    begin(play)
    play.advance_quietly(4.0)  # fe1 is slow: fe2 is asked
    play.answer("fe2", 180)
    play.sees("client < 180")
    play.answer("fe1", 200)
    play.sees("fe2 < CANCEL", "client < 200")
    assert reasons(play.last("fe2")) == [WHY[0]]


def test_who_begins_to_ring_after_another_has_answered_is_stopped(play):
    begin(play)
    play.advance_quietly(4.0)
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.answer("fe2", 180)
    play.sees("fe2 < CANCEL")
    assert reasons(play.last("fe2")) == [WHY[0]]


@pytest.mark.parametrize("method", ["MESSAGE", "SUBSCRIBE", "INFO", "FANCY"])
def test_the_cancel_of_another_method_is_answered_and_does_nothing(play, method):
    """RFC 3261 sections 9.2 and 16.10: where the transaction exists it is 200."""
    play.send("client", request(f"{method} {ALIAS}"))
    play.sees(f"fe1 < {method}")
    play.send("client", CANCEL)
    play.sees("client < 200")
    play.answer("fe1", 202)
    play.sees("client < 202")


@pytest.mark.parametrize(
    "change",
    [
        {"branch": "z9hG4bK-other"},
        {"cseq": "2 CANCEL"},
        {"call_id": "other"},
        {"via": "SIP/2.0/UDP 10.1.0.9:40001;branch=z9hG4bK-1"},
    ],
)
def test_the_cancel_of_nothing_is_481(play, change):
    begin(play)
    play.send("client", request(f"CANCEL {ALIAS}", **change))
    answer = play.sent[-1][1]
    play.advance_quietly(0.0)
    assert answer.startswith(b"SIP/2.0 481")


@pytest.mark.parametrize(
    ("extra", "hops"),
    [((), 0), (("Proxy-Require: foo",), 70), (("Max-Breadth: 0",), 70)],
)
def test_what_only_a_proxy_refuses_stops_no_cancel(play, extra, hops):
    """It is answered here (section 16.10), so it is not forwarded."""
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.send("client", request(f"CANCEL {ALIAS}", *extra, max_forwards=hops))
    play.sees("client < 200", "fe1 < CANCEL")
