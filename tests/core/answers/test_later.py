"""Answers that are held back: for two seconds, and only so many."""

from proxy.core.answers.later import HOLD, MOST, Later
from proxy.transaction.timers import Timers
from tests.transaction.bench import START, Bench

REFUSED = b"SIP/2.0 404 Not Found\r\n\r\n"


def test_an_answer_goes_when_its_time_is_over_and_not_before() -> None:
    bench = Bench()
    later = Later(bench.timers)
    later.respond(bench.server("BYE"), 404, REFUSED, bench.now)
    assert (later.waiting, later.held, bench.sent) == (1, 1, [])
    bench.run(HOLD - 0.01)
    assert bench.sent == []
    bench.run(0.01)
    assert bench.sent == [(HOLD, "SIP/2.0 404 Not Found")]
    assert (later.waiting, later.held) == (0, 1)


def test_where_too_many_wait_an_answer_goes_at_once() -> None:
    bench = Bench()
    later = Later(Timers())
    later.waiting = MOST
    later.respond(bench.server("BYE"), 404, REFUSED, START)
    assert bench.times("SIP/2.0 404") == [0.0]
    assert (later.waiting, later.held) == (MOST, 0)
