"""Failover inside the first request: one budget, a new branch for each attempt."""

from proxy.core import events
from proxy.core.settings import Attempts
from proxy.pools.front_end import Lookup, Resolution
from tests.support.messages import ALIAS, line_of, lines_of, read, request

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


def test_every_attempt_has_a_branch_of_its_own(play):
    begin(play)
    play.icmp("fe1")
    play.sees("fe2 < INVITE")
    first, second = (read(play.last(fe)).top_via().branch for fe in ("fe1", "fe2"))
    assert first != second


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


def test_a_refused_connection_moves_on(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("connect fe2/tcp")
    play.connects("fe2/tcp")
    play.sees("fe2/tcp < INVITE")
    play.answer("fe2/tcp", 200)
    play.sees("client < 200")


def test_a_connection_that_takes_too_long_moves_on(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.advance(2.0)
    play.cannot_connect("fe1/tcp", "connect-timeout")
    play.sees("2.0s connect fe2/tcp")


def test_a_connection_that_breaks_takes_its_request_along(playbook):
    play = playbook(transport="tcp")
    play.flow("fe1/tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "fe1/tcp < INVITE")
    play.closes("fe1/tcp")
    play.sees("connect fe1/tcp")  # an old connection says nothing about fe1
    play.cannot_connect("fe1/tcp")
    play.sees("connect fe2/tcp")


def test_a_connection_closed_as_it_is_used_again_is_replaced(playbook):
    """Front ends close idle connections: the only one left must not be a 504."""
    play = playbook(transport="tcp", front_ends=("fe1",))
    play.flow("fe1/tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "fe1/tcp < INVITE")
    play.closes("fe1/tcp", "closed")
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE")
    play.answer("fe1/tcp", 200)
    play.sees("client < 200")
    assert not play.core.health.suspects


def test_a_new_connection_that_breaks_is_not_tried_again(playbook):
    play = playbook(transport="tcp", front_ends=("fe1",))
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")


def test_a_front_end_that_rang_and_hung_up_is_not_tried_again(playbook):
    play = playbook(transport="tcp")
    play.flow("fe1/tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "fe1/tcp < INVITE")
    play.answer("fe1/tcp", 180)
    play.sees("client < 180")
    play.closes("fe1/tcp")
    play.sees("connect fe2/tcp")


def test_requests_on_a_connection_that_broke_keep_their_order(playbook):
    play = playbook(transport="tcp", front_ends=("fe1",))
    play.flow("fe1/tcp")
    for cseq in range(1, 10):
        play.send(
            "client", request(f"INFO {ALIAS}", branch=f"z9hG4bK-{cseq}", cseq=cseq)
        )
        play.sees("fe1/tcp < INFO")
    play.closes("fe1/tcp")
    play.sees("connect fe1/tcp")
    play.sent.clear()
    play.connects("fe1/tcp")
    play.sees(*["fe1/tcp < INFO"] * 9)
    order = [line_of(data, "CSeq") for _, data in play.sent]
    assert order == [b"CSeq: %d INFO" % cseq for cseq in range(1, 10)]


def test_nobody_overtakes_those_who_wait_for_a_connection(playbook):
    """It is in the flow table a moment before the core is told of it."""
    play = playbook(transport="tcp")
    play.send("client", request(f"INFO {ALIAS}", branch="z9hG4bK-1", cseq=1))
    play.sees("connect fe1/tcp")
    play.flow("fe1/tcp")
    play.send("client", request(f"INFO {ALIAS}", branch="z9hG4bK-2", cseq=2))
    play.sees()
    play.connects("fe1/tcp")
    play.sees(*["fe1/tcp < INFO"] * 2)
    order = [line_of(d, "CSeq") for peer, d in play.sent if peer == "fe1/tcp"]
    assert order == [b"CSeq: 1 INFO", b"CSeq: 2 INFO"]


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


def test_two_requests_share_one_connection_attempt(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.send("bob", request(branch="z9hG4bK-b", call_id="b"))
    play.sees("bob < 100")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE", "fe1/tcp < INVITE")


def test_the_whole_search_ends_after_twelve_seconds(playbook):
    play = playbook(front_ends=("fe1", "fe2", "fe3", "edge"))
    begin(play)
    for turn, (this, following) in enumerate([("fe1", "fe2"), ("fe2", "fe3")], 1):
        play.advance(2.0)
        play.sees(*[f"{this} < INVITE"] * 2, f"{2 * turn}s {following} < INVITE")
    play.advance(2.0)
    play.sees(*["fe3 < INVITE"] * 2, "6s edge < INVITE")
    play.advance(6.0)
    play.sees(*["edge < INVITE"] * 3, "12s client < 504")


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


def test_a_name_that_is_not_known_yet_is_looked_up(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.send("bob", request(branch="z9hG4bK-b", call_id="b"))
    play.sees("bob < 100")
    play.resolves("pcpool.contoso.test", "fe1", "fe2")
    play.sees("fe1 < INVITE", "fe1 < INVITE")


def test_a_name_that_does_not_exist_is_a_504_with_the_cause(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.resolves("pcpool.contoso.test")
    play.sees("client < 504")
    assert b"1008" in line_of(play.last("client"), "ms-diagnostics")


def dns_fails(play, reason: str = "no answer") -> None:
    """DNS gives no answer, and the resolver does not remember it."""
    lookup = Lookup("pcpool.contoso.test")
    failed = Resolution(lookup, {}, expires=0.0, error="timeout", reason=reason)
    play._handle(events.Resolved(lookup, failed))


def test_a_name_server_that_is_out_of_order_is_asked_again(playbook):
    """And not at once: a resolver that is too busy would be asked for ever."""
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    dns_fails(play)
    play.sees()
    play.advance(1.0)
    play.sees("1s resolve pcpool.contoso.test")
    play.resolves("pcpool.contoso.test", "fe1", "fe2")
    play.sees("fe1 < INVITE")
    play.advance_quietly(4.0)
    play.answer("fe2", 200)
    play.sees("client < 200")


def test_a_failure_that_is_remembered_is_waited_for(playbook):
    play = playbook(unresolved=True)
    lookup = Lookup("pcpool.contoso.test")
    failed = Resolution(lookup, {}, expires=1e9, error="timeout", reason="SERVFAIL")
    play.cached[lookup] = failed
    play.send("client", INVITE)
    play.sees("client < 100")
    play.advance(2.0)
    play.sees()
    play.knows("pcpool.contoso.test", "fe1")
    play.advance(1.0)
    play.sees("3s fe1 < INVITE")


def test_a_name_server_that_stays_out_of_order_is_a_504_with_the_cause(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    for second in range(1, 12):
        dns_fails(play, "SERVFAIL")
        play.advance(1.0)
        play.sees(f"{second}s resolve pcpool.contoso.test")
    dns_fails(play, "SERVFAIL")
    play.sees("11s client < 504")
    assert b'cause="SERVFAIL"' in line_of(play.last("client"), "ms-diagnostics")


def test_a_cancel_while_dns_is_out_of_order_ends_the_call(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    dns_fails(play)
    play.send("client", request(f"CANCEL {ALIAS}"))
    play.sees("client < 200", "client < 487")
    play.advance(5.0)
    play.sees(*["client < 487"] * 3)


def test_waiting_for_dns_is_inside_the_budget(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.advance(12.0)
    play.sees("12s client < 504")
    play.resolves("pcpool.contoso.test", "fe1")
    play.sees()


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
