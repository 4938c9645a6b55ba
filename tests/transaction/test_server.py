"""Server transactions: what is repeated, what is charged, and who proves itself."""

import pytest

from proxy.sip.message import Request
from proxy.transaction.server import drop
from tests.support.messages import read, request
from tests.transaction.bench import KEY, Bench

OK = b"SIP/2.0 200 OK\r\nTo: <sip:x>;tag=ours\r\n\r\n"
BUSY = OK.replace(b"200 OK", b"486 Busy Here")


def ack(to: str, branch: str | None = "z9hG4bK-1") -> Request:
    message = read(request("ACK sip:x@contoso.test", to=to, branch=branch))
    assert isinstance(message, Request)
    return message


def test_a_refusal_over_udp_is_repeated_until_its_ack_or_timer_h() -> None:
    bench = Bench()
    transaction = bench.server()
    transaction.respond(486, BUSY, bench.now)
    bench.run(9.0)
    assert bench.times("SIP/2.0 486") == [0.0, 0.5, 1.5, 3.5, 7.5]
    transaction.handle("ack", bench.now)
    bench.run(5.0)
    assert transaction.state == "terminated" and len(bench.layer) == 0
    assert len(bench.times("SIP/2.0 486")) == 5


def test_without_an_ack_it_ends_at_timer_h() -> None:
    bench = Bench()
    transaction = bench.server()
    transaction.respond(486, BUSY, bench.now)
    bench.run(32.0)
    assert bench.times("SIP/2.0 486")[-1] < 32.0
    assert transaction.state == "terminated" and len(bench.layer) == 0


def test_over_udp_what_only_repeats_its_answer_is_a_key_and_bytes() -> None:
    """Decision 145."""
    bench = Bench()
    transaction = bench.server("BYE")
    transaction.respond(200, OK, bench.now)
    assert not bench.layer.servers and bench.layer.answers[KEY] == OK
    bench.layer.repeat(bench.layer.answers[KEY], bench.flow)
    assert bench.times("SIP/2.0 200") == [0.0, 0.0]


def test_after_a_2xx_to_invite_nothing_is_repeated() -> None:
    bench = Bench()
    bench.server().respond(200, OK, bench.now)
    assert bench.layer.answers[KEY] == b""
    bench.layer.repeat(b"", bench.flow)
    assert bench.times("SIP/2.0 200") == [0.0]


def test_a_repetition_before_any_answer_is_absorbed() -> None:
    for method in ("INVITE", "BYE"):
        bench = Bench()
        bench.server(method).handle("request", bench.now)
        assert bench.sent == []


def test_the_client_waits_until_the_final_answer_and_is_counted_once() -> None:
    bench = Bench()
    transaction = bench.server()
    assert bench.flow.waiting == 1
    transaction.respond(180, OK.replace(b"200 OK", b"180 Ringing"), bench.now)
    assert bench.flow.waiting == 1
    transaction.respond(486, BUSY, bench.now)
    bench.run(40.0)
    assert bench.flow.waiting == 0


def test_the_request_is_charged_first_then_the_answer_then_nothing() -> None:
    bench = Bench()
    budget = bench.layer.budget
    transaction = bench.layer.open_server(KEY, b"INVITE", bench.flow, 1_000)
    before = budget.held
    assert before == transaction.charge > 2_000
    transaction.respond(486, BUSY, bench.now)
    assert 0 < budget.held < before
    bench.run(40.0)
    assert budget.held == 0


def test_a_challenge_is_told_from_other_refusals() -> None:
    for status, challenged in ((401, True), (407, True), (486, False)):
        bench = Bench("tcp")
        transaction = bench.server()
        transaction.respond(status, BUSY, bench.now)
        assert transaction.is_challenged is challenged


@pytest.mark.parametrize(
    ("to", "in_dialog", "hears"),
    [
        ("<sip:x>;tag=ours", False, True),
        ("<sip:x>;tag=theirs", False, False),
        ("<sip:x>", False, False),
        ("<sip:x>;tag=ours", True, False),
    ],
)
def test_an_ack_with_our_own_tag_proves_that_its_sender_hears_us(to, in_dialog, hears):
    bench = Bench()
    transaction = bench.server()
    transaction.is_in_dialog = in_dialog
    transaction.respond(486, BUSY, bench.now)
    transaction.prove(ack(to))
    assert bench.flow.hears_us is hears


def test_the_ack_of_an_old_client_is_known_by_its_to_tag() -> None:
    bench = Bench()
    transaction = bench.layer.open_server(b"2543\nkey", b"INVITE", bench.flow)
    transaction.respond(486, BUSY, bench.now)
    assert transaction.accepts_ack(ack("<sip:x>;tag=ours", None))
    assert not transaction.accepts_ack(ack("<sip:x>;tag=theirs", None))
    new = Bench()
    other = new.server()
    other.respond(486, BUSY, new.now)
    assert other.accepts_ack(ack("<sip:x>;tag=theirs"))


def test_over_a_stream_that_has_ended_another_way_is_asked_for() -> None:
    bench = Bench("tcp")
    transaction, lost = bench.server(), []
    bench.layer.server_side.way_lost = lambda which, now: lost.append(which)
    bench.flow.is_open = False
    transaction.respond(486, BUSY, bench.now)
    assert lost == [transaction] and bench.sent == []


def test_who_cannot_be_answered_any_more_is_told_to_the_user() -> None:
    bench = Bench()
    bench.server().handle("transport error", bench.now)
    assert bench.reported == [(0.0, "abandoned")]


def test_what_breaks_off_while_it_sends_is_sent_once_more_and_ends() -> None:
    bench = Bench()
    transaction = bench.server()
    send, broken = bench.layer.server_side.send, [True]

    def fails_once(flow, data) -> None:
        if broken.pop() if broken else False:
            raise ZeroDivisionError
        send(flow, data)

    bench.layer.server_side.send = fails_once
    with pytest.raises(ZeroDivisionError):
        transaction.respond(486, BUSY, bench.now)
    assert bench.times("SIP/2.0 486") == [0.0]
    bench.run(40.0)
    assert len(bench.layer) == 0


def test_dropping_one_leaves_no_charge_and_no_user() -> None:
    bench = Bench()
    transaction = bench.layer.open_server(KEY, b"INVITE", bench.flow, 1_000)
    drop(transaction)
    assert transaction.user is None and bench.layer.budget.held == 0
    assert len(bench.layer) == 0
