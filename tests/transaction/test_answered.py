"""What is left of a server transaction over UDP once it has its final answer."""

import gc

import pytest

from proxy.transaction.answered import Answered
from proxy.transaction.budget import OVERHEAD, Budget
from proxy.transaction.timers import Timers
from tests.transaction.bench import KEY, START, Bench

ANSWER = b"SIP/2.0 200\r\n\r\n"


@pytest.mark.parametrize(("method", "kept"), [("BYE", ANSWER), ("INVITE", b"")])
def test_a_finished_transaction_is_a_key_and_the_bytes_of_its_answer(method, kept):
    bench = Bench()
    bench.server(method).respond(200, ANSWER, bench.now)
    layer = bench.layer
    assert layer.answers == {KEY: kept} and not layer.servers
    assert len(layer) == len(layer.server_side) == 1
    assert len(bench.timers) == 1
    assert layer.budget.held == OVERHEAD + len(KEY) + len(kept)
    assert layer.budget.account(bench.flow).held == layer.budget.held


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_and_it_is_not_held_by_anything(method):
    bench = Bench()
    transaction = bench.server(method)
    kind, place = type(transaction), id(transaction)
    transaction.respond(200, ANSWER, bench.now)
    assert gc.is_tracked(transaction)
    del transaction
    assert place not in [id(x) for x in gc.get_objects() if type(x) is kind]


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_on_a_stream_only_what_may_need_another_connection_stays(method):
    bench = Bench("tcp")
    bench.server(method).respond(200, ANSWER, bench.now)
    assert not bench.layer.answers
    assert list(bench.layer.servers) == ([KEY] if method == "INVITE" else [])


def test_a_refused_invite_stays_a_transaction_for_its_ack():
    bench = Bench()
    bench.server().respond(486, b"SIP/2.0 486\r\n\r\n", bench.now)
    assert list(bench.layer.servers) == [KEY] and not bench.layer.answers


def test_a_repetition_gets_the_answer_again_and_that_of_an_invite_none():
    bench = Bench()
    bench.layer.repeat(ANSWER, bench.flow)
    bench.layer.repeat(b"", bench.flow)
    assert bench.sent == [(0.0, "SIP/2.0 200")]
    assert bench.layer.retransmissions_received == 2
    assert bench.layer.server_side.resent == 1


def test_each_ends_at_its_own_instant_and_one_timer_runs_for_all():
    timers, budget = Timers(), Budget()
    answered = Answered(timers, budget)
    account = budget.account(Bench().flow)
    for n in range(5_000):
        answered.put(b"%d" % n, ANSWER, account, START + n / 1000)
    assert len(timers) == 1 and len(answered) == 5_000
    for n in (0, 1, 2_500, 4_999):
        timers.fire(START + 32.0 + n / 1000)
        assert len(answered) == 4_999 - n
        assert len(timers) == (n < 4_999)
    assert budget.held == account.held == 0 and not answered._keys
    answered.put(b"again", ANSWER, account, START + 50.0)
    assert timers.deadline() == START + 82.0


def test_an_answer_that_comes_while_the_timer_is_late_starts_no_other_one():
    timers, budget = Timers(), Budget()
    answered = Answered(timers, budget)
    account = budget.account(Bench().flow)
    for n in range(20_000):  # timers are looked at every 20 ms, as in the service
        now = START + n / 100
        answered.put(b"%d" % n, ANSWER, account, now)
        if n % 2:
            timers.fire(now)
    assert len(timers) == 1 and len(answered) == 3_200
    timers.fire(now + 32.0)
    assert len(timers) == len(answered) == budget.held == 0


def test_a_key_that_is_there_already_is_kept_and_charged_once():
    timers, budget = Timers(), Budget()
    answered = Answered(timers, budget)
    account = budget.account(Bench().flow)
    answered.put(KEY, ANSWER, account, START)
    assert answered.put(KEY, b"another", account, START) == 0
    assert answered.answers == {KEY: ANSWER}
    timers.fire(START + 32.0)
    assert budget.held == account.held == 0 and len(answered) == len(timers) == 0
