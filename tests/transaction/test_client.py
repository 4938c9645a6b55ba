"""Client transactions: what is sent again, what is told, and what is dropped when."""

import pytest

from proxy.transaction import client as module
from tests.support.messages import read, request, response
from tests.transaction.bench import Bench, lines_sent


def test_an_invite_over_udp_is_repeated_with_doubling_gaps_until_timer_b() -> None:
    bench = Bench()
    bench.client()
    bench.run(40.0)
    assert bench.times("INVITE") == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.reported == [(0.5, "waiting"), (32.0, "timeout")]
    assert bench.layer.client_side.resent == 6 and not bench.layer.clients


def test_another_request_is_repeated_at_most_every_four_seconds() -> None:
    bench = Bench()
    bench.client("BYE")
    bench.run(12.0)
    assert bench.times("BYE") == [0.0, 0.5, 1.5, 3.5, 7.5, 11.5]


def test_after_a_provisional_response_another_request_takes_the_longest_gap() -> None:
    bench = Bench()
    bench.client("BYE")
    bench.answer(100)
    bench.run(10.0)
    assert bench.times("BYE") == [0.0, 0.5, 4.5, 8.5]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_on_a_stream_nothing_is_repeated(method: str) -> None:
    bench = Bench("tcp")
    bench.client(method)
    bench.run(40.0)
    assert bench.times(method) == [0.0] and (32.0, "timeout") in bench.reported


def test_one_that_was_given_up_is_not_repeated_and_its_answer_still_counts() -> None:
    bench = Bench()
    transaction = bench.client()
    transaction.give_up()
    bench.run(5.0)
    assert bench.times("INVITE") == [0.0] and transaction.data == b""
    bench.answer(486)
    assert bench.times("ACK") == [5.0] and bench.reported[-1] == (5.0, "486")


def test_every_repetition_of_a_refusal_gets_its_ack_until_timer_d() -> None:
    bench = Bench()
    transaction = bench.client()
    for _ in range(3):
        bench.answer(486)
    assert len(bench.times("ACK")) == 3 and bench.reported == [(0.0, "486")]
    bench.run(32.0)
    assert transaction.state == "terminated" and not bench.layer.clients


def test_a_repeated_2xx_goes_up_again_and_the_request_is_forgotten() -> None:
    bench = Bench()
    transaction = bench.client()
    for _ in range(2):
        bench.answer(200)
    assert bench.reported == [(0.0, "200")] * 2
    assert transaction.data == b"" and transaction.companions() is None


def test_a_repeated_answer_to_another_request_is_dropped() -> None:
    bench = Bench()
    transaction = bench.client("BYE")
    for _ in range(2):
        bench.answer(200)
    assert bench.reported == [(0.0, "200")] and transaction.user is None


def test_a_refused_datagram_is_told_with_its_reason() -> None:
    bench = Bench()
    bench.client().transport_failed("refused", bench.now)
    assert bench.reported == [(0.0, "refused")] and not bench.layer.clients


def test_an_invite_whose_connection_has_ended_is_kept_for_its_late_answer() -> None:
    bench = Bench("tcp")
    transaction = bench.client()
    transaction.connection_lost("reset", bench.now)
    assert bench.reported == [(0.0, "reset")]
    assert transaction.key in bench.layer.stranded and not bench.layer.clients
    transaction.response_received(read(response(bench.request, 200)), bench.now)
    assert bench.reported[-1] == (0.0, "200")
    bench.run(181.0)
    assert transaction.state == "terminated" and not bench.layer.stranded


def test_the_oldest_of_too_many_stranded_ones_goes() -> None:
    bench = Bench("tcp")
    lines = lines_sent(request())
    for number in range(module.MOST_STRANDED + 2):
        key = b"%d" % number
        bench.layer.open_client(key, b"INVITE", lines, bench.flow, None, bench.now)
        bench.layer.clients[key].connection_lost("reset", bench.now)
    assert len(bench.layer.stranded) == module.MOST_STRANDED
    assert next(iter(bench.layer.stranded)) == b"2"


def test_a_step_that_breaks_off_leaves_nothing_for_ever() -> None:
    bench = Bench()
    transaction = bench.client()

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    bench.response_received = breaks  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        bench.answer(180)
    assert transaction.user is bench  # the guard ends it
    bench.run(32.0)
    assert transaction.state == "terminated" and not bench.layer.clients


def test_a_cancelled_invite_ends_without_an_answer_after_64_t1() -> None:
    bench = Bench()
    transaction = bench.client()
    bench.answer(180)
    bench.timers.start("cancelled", 32.0, transaction, bench.now)
    bench.run(32.0)
    assert bench.reported[-1] == (32.0, "timeout") and not bench.layer.clients
