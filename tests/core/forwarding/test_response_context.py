"""Failover inside the first request: one budget, a new branch for each attempt."""

from proxy.core.settings import Attempts
from tests.support.messages import line_of, lines_of, request

INVITE = request()
SUBSCRIBE = request("SUBSCRIBE sip:ocschat@contoso.test", "Event: presence")


def begin(play, data=INVITE):
    play.send("client", data)
    if data is INVITE:
        play.sees("client < 100", "fe1 < INVITE sip:ocschat@pcpool.contoso.test")
    else:
        play.sees("fe1 < SUBSCRIBE")


def test_an_answer_of_the_first_front_end_goes_straight_back(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.answer("fe1", 200)
    play.sees("client < 200")


def test_silence_for_two_seconds_moves_on_to_the_next_front_end(play):
    begin(play)
    play.advance(2.0)
    play.sees("0.5s fe1 < INVITE", "1.5s fe1 < INVITE", "2.0s fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")


def test_a_refused_datagram_moves_on_at_once(play):
    begin(play)
    play.icmp("fe1")
    play.sees("0s fe2 < INVITE")


def test_a_subscribe_fails_over_as_an_invite_does(play):
    begin(play, SUBSCRIBE)
    play.icmp("fe1")
    play.sees("fe2 < SUBSCRIBE")
    play.answer("fe2", 202)
    play.sees("client < 202")


def test_a_503_is_acknowledged_and_the_next_front_end_tried(play):
    begin(play)
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "fe2 < INVITE")


def test_a_configured_code_fails_over_as_well(playbook):
    play = playbook(attempts=Attempts(failover_codes=frozenset({500, 503})))
    begin(play)
    play.answer("fe1", 500)
    play.sees("fe1 < ACK", "fe2 < INVITE")


def test_another_failure_is_final_and_tries_nobody_else(play):
    for status in (404, 486, 488, 500, 603):
        play.send("client", request(branch=f"z9hG4bK{status}", call_id=f"c{status}"))
        play.sees("client < 100", "fe1 < INVITE")
        play.answer("fe1", status)
        play.sees("fe1 < ACK", f"client < {status}")


def test_a_100_and_then_nothing_is_no_answer(play):
    begin(play)
    play.answer("fe1", 100)
    play.sees()
    play.advance(4.0)
    play.sees("4.0s fe1 < CANCEL", "fe2 < INVITE")


def test_ringing_ends_the_wait_for_a_first_answer(play):
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.advance(30.0)
    play.sees()


# -- a pool that promises more transports than it has -------------------------------


def with_both(play, *front_ends: str) -> None:
    """The pool's name has addresses alone: any transport may be the right one."""
    streams = play.knows("other", *front_ends, transport="tcp").groups
    play.cached[next(iter(play.cached))].groups.update(streams)


def test_where_nobody_takes_a_connection_datagrams_are_tried(play):
    with_both(play, "fe1", "fe2")
    play.send("client/tcp", request(transport="TCP"))
    play.sees("client/tcp < 100", "connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("connect fe2/tcp")
    play.cannot_connect("fe2/tcp")
    play.sees("fe1 < INVITE")
    play.answer("fe1", 200)
    play.sees("client/tcp < 200")


def test_where_every_datagram_is_refused_connections_are_tried(play):
    with_both(play, "fe1")
    begin(play)
    play.icmp("fe1")
    play.sees("fe2 < INVITE")
    play.icmp("fe2")
    play.sees("connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("client < 504")


def test_who_may_have_the_request_does_not_get_it_over_another_transport(play):
    with_both(play, "fe1")
    begin(play)
    play.advance(2.0)
    play.sees(*["fe1 < INVITE"] * 2, "fe2 < INVITE")
    play.icmp("fe2")
    play.sees("client < 504")


def test_a_spoilt_handshake_is_no_reason_for_plain_text(play):
    with_both(play, "fe1")
    play.send("client/tcp", request(transport="TCP"))
    play.sees("client/tcp < 100", "connect fe1/tcp")
    play.cannot_connect("fe1/tcp", "tls")
    play.sees("client/tcp < 504")


def test_a_front_end_that_was_given_up_gets_no_more_retransmissions(playbook):
    play = playbook(front_ends=("fe1", "fe2"))
    begin(play)
    play.advance(2.0)
    play.sees(*["fe1 < INVITE"] * 2, "fe2 < INVITE")
    play.answer("fe2", 180)
    play.sees("client < 180")
    play.advance(40.0)
    play.sees()


def test_everybody_refusing_is_a_504_that_says_why(play):
    begin(play)
    play.icmp("fe1")
    play.sees("fe2 < INVITE")
    play.icmp("fe2")
    play.sees("client < 504")
    reason = line_of(play.last("client"), "ms-diagnostics")
    assert reason.startswith(b'ms-diagnostics: 1007;source="waypost.test";')


def test_a_late_200_of_an_abandoned_attempt_wins(play):
    """RFC 3261 section 16.7 item 5: every 2xx to an INVITE goes back."""
    begin(play)
    play.advance(2.0)
    play.sees(*["fe1 < INVITE"] * 2, "fe2 < INVITE")
    play.answer("fe2", 180)
    play.sees("client < 180")
    play.answer("fe1", 200)
    play.sees("fe2 < CANCEL", "client < 200")


def test_a_second_200_of_a_race_goes_back_too(play):
    begin(play)
    play.advance(2.0)
    play.sees(*["fe1 < INVITE"] * 2, "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.answer("fe1", 200, to_tag="other")
    play.sees("client < 200")


def test_an_abandoned_attempt_that_rings_after_all_is_cancelled(play):
    """RFC 3261 section 9.1: nobody waits for it, so it must not ring for ever."""
    begin(play)
    play.advance(2.0)
    play.sees(*["fe1 < INVITE"] * 2, "fe2 < INVITE")
    play.answer("fe1", 180)
    play.sees("fe1 < CANCEL")
    play.answer("fe1", 200, to="CANCEL")
    play.answer("fe1", 487)
    play.sees("fe1 < ACK")
    play.answer("fe2", 200)
    play.sees("client < 200")


def test_nothing_is_left_of_an_abandoned_attempt_that_only_rings(play):
    """RFC 3261 section 9.1: 64*T1 after the CANCEL the transaction is over."""
    begin(play)
    play.answer("fe1", 100)
    play.advance(4.0)
    play.sees("fe1 < CANCEL", "fe2 < INVITE")
    play.answer("fe1", 200, to="CANCEL")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.advance(70.0)
    assert len(play.core.transactions) == 0


def test_the_order_moves_on_while_a_front_end_is_ejected(play):
    for turn in range(3):
        play.send("client", request(branch=f"z9hG4bK{turn}", call_id=f"{turn}"))
        play.sees("client < 100", "fe1 < INVITE")
        play.advance(0.1)
        play.icmp("fe1")
        play.sees("fe2 < INVITE")
    play.send("client", request(branch="z9hG4bK9", call_id="9"))
    play.sees("client < 100", "fe2 < INVITE")


def test_an_unsigned_503_that_ends_the_search_leaves_as_500(play):
    """RFC 3261 section 16.7 item 6."""
    begin(play)
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "fe2 < INVITE")
    play.answer("fe2", 503, "Retry-After: 7", 'ms-diagnostics: 1;reason="x"')
    play.sees("fe2 < ACK", "client < 500")


def test_a_500_made_of_a_503_keeps_what_explains_it(playbook):
    play = playbook(front_ends=("fe1",))
    begin(play)
    play.answer("fe1", 503, 'ms-diagnostics: 1;reason="x"')
    play.sees("fe1 < ACK", "client < 500")
    assert lines_of(play.last("client"), "ms-diagnostics")


def test_a_signed_503_passes_as_it_is(playbook):
    """Decision 6: the status is part of the signature ([MS-SIPAE])."""
    play = playbook(front_ends=("fe1",))
    begin(play)
    play.answer("fe1", 503, 'Authentication-Info: NTLM rspauth="00", srand="1"')
    play.sees("fe1 < ACK", "client < 503")


def test_a_better_response_than_the_last_one_goes_back(play):
    """RFC 3261 section 16.7 item 6: the lowest class wins."""
    begin(play)
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "fe2 < INVITE")
    play.answer("fe2", 486)
    play.sees("fe2 < ACK", "client < 486")


def test_a_6xx_beats_everything(playbook):
    """RFC 3261 section 16.7 item 6."""
    play = playbook(attempts=Attempts(failover_codes=frozenset({503, 603})))
    begin(play)
    play.answer("fe1", 603)
    play.sees("fe1 < ACK", "fe2 < INVITE")
    play.answer("fe2", 404)
    play.sees("fe2 < ACK", "client < 603")


def test_a_useful_4xx_is_preferred_to_another(playbook):
    """RFC 3261 section 16.7 item 6: 401, 407, 415, 420 and 484."""
    play = playbook(attempts=Attempts(failover_codes=frozenset({401, 404})))
    begin(play)
    play.answer("fe1", 401)
    play.sees("fe1 < ACK", "fe2 < INVITE")
    play.answer("fe2", 404)
    play.sees("fe2 < ACK", "client < 401")


def test_the_access_line_tells_every_attempt(play):
    begin(play)
    play.icmp("fe1")
    play.sees("fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    (entry,) = play.access
    assert [(n.partition(".")[0], o) for n, o, _ in entry.attempts] == [
        ("fe1", "refused"),
        ("fe2", "200"),
    ]


def test_timer_c_ends_a_call_that_rings_for_three_minutes(play):
    """RFC 3261 section 16.8."""
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.advance(180.0)
    play.sees()
    play.advance(1.5)
    play.sees("fe1 < CANCEL", "client < 408")


def test_timer_c_starts_again_with_each_provisional(play):
    """RFC 3261 section 16.7 item 2."""
    begin(play)
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.advance(100.0)
    play.answer("fe1", 183)
    play.sees("client < 183")
    play.advance(180.0)
    play.sees()
    play.answer("fe1", 200)
    play.sees("client < 200")
