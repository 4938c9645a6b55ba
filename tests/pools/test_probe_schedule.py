"""When suspects are probed, and what an outcome changes, on a virtual clock."""

import random

import pytest

from proxy.pools.front_end import FrontEnd
from proxy.pools.health import HealthBook
from proxy.pools.probe_schedule import (
    DEAF_AFTER,
    MAX_RUNNING,
    Outcome,
    Probing,
    best_of,
    outcome_of,
)
from proxy.pools.prober import Probe, Reading

FE1 = ("tcp", "192.0.2.1", 5060, "")
FE2 = ("tcp", "192.0.2.2", 5060, "")
OK = Outcome(True, False, "200")
REFUSED = Outcome(False, True, "refused")
SILENT = Outcome(False, False, "timeout")
INTERVAL, PATIENCE = 10.0, 6.0


class Play:
    """A book with its probes; `run` lets a front end answer as ``outcome`` says."""

    def __init__(self) -> None:
        self.book = HealthBook()
        self.probing = Probing(self.book, INTERVAL, random.Random(1))
        self.asked: list[float] = []

    def fail(self, *instants: float) -> None:
        for at in instants:
            self.book.record_failure(FE1, "refused", at)

    def run(self, outcome: Outcome, start: float, end: float) -> None:
        """Every second from ``start`` on, before ``end``."""
        now = start
        while now < end:
            for key in self.probing.due({FE1}, now):
                self.asked.append(now)
                self.probing.record(key, outcome, PATIENCE, now)
            now += 1.0

    def is_out(self, now: float) -> bool:
        return self.book.is_ejected(FE1, now)


@pytest.fixture
def play() -> Play:
    return Play()


def test_who_never_failed_is_never_probed(play):
    play.run(OK, 0.0, 100.0)
    assert play.probing.waiting(100.0) == []
    assert play.asked == []


def test_who_has_left_dns_is_not_probed(play):
    play.fail(0.0)
    assert play.probing.due({FE2}, 1.0) == []
    assert play.probing.waiting(10.9) == [], "nor looked for all the time"
    assert play.probing.due({FE1}, 11.0) == [FE1]


def test_a_suspect_is_probed_at_once_and_no_more_once_it_has_answered_twice(play):
    play.fail(0.0)
    play.run(OK, 1.0, 300.0)
    assert play.asked == [1.0, 3.0]
    play.fail(300.0)
    play.run(OK, 301.0, 600.0)
    assert play.asked[2:] == [301.0, 303.0]


def test_the_interval_is_ten_seconds_give_or_take_a_fifth(play):
    play.fail(0.0, 0.1, 0.2)
    play.run(REFUSED, 1.0, 500.0)
    gaps = [b - a for a, b in zip(play.asked, play.asked[1:], strict=False)]
    assert min(gaps) >= 8.0 and max(gaps) <= 13.0  # looked at once a second
    assert len(set(gaps)) > 1


def test_one_probe_at_a_time_for_one_front_end(play):
    play.fail(0.0)
    assert play.probing.due({FE1}, 1.0) == [FE1]
    assert play.probing.due({FE1}, 100.0) == []
    play.probing.give_up(FE1, 100.0)
    assert play.probing.due({FE1}, 101.0) == []
    assert play.probing.due({FE1}, 112.1) == [FE1]


def test_so_many_run_at_a_time_and_the_others_have_their_turn(play):
    keys = [("tcp", f"192.0.2.{n}", 5060, "") for n in range(MAX_RUNNING + 5)]
    for key in keys:
        play.book.record_failure(key, "refused", 0.0)
    first = play.probing.due(set(keys), 1.0)
    assert len(first) == MAX_RUNNING
    for key in first:
        play.probing.record(key, OK, PATIENCE, 1.5)
    assert {*first, *play.probing.due(set(keys), 2.0)} == set(keys)


def test_no_call_is_the_guinea_pig_while_nobody_takes_connections(play):
    play.fail(0.0, 0.1, 0.2)
    for minute in range(60):
        play.run(REFUSED, minute * 60.0 + 1.0, minute * 60.0 + 60.0)
        assert play.is_out(minute * 60.0 + 59.9)
    assert play.book.health(FE1, 3600.0).times_ejected == 1
    transitions = play.book.health(FE1, 3600.0).transitions
    assert [each.state for each in transitions] == ["suspect", "suspect", "ejected"]


def test_two_answers_bring_it_back_at_once(play):
    play.fail(0.0, 0.1, 0.2)
    play.run(REFUSED, 1.0, 100.0)
    play.run(OK, 100.0, 116.0)
    first, second = play.asked[-2:]
    assert second - first == 2.0
    assert play.is_out(first + 1.9) and not play.is_out(second)
    health = play.book.health(FE1, second)
    assert (health.state, health.reason) == ("suspect", "answers OPTIONS again")
    play.book.record_success(FE1, 120.0)
    assert play.book.health(FE1, 120.0).state == "healthy"
    assert not play.book.suspects


def test_a_single_answer_between_failures_brings_nobody_back(play):
    play.fail(0.0, 0.1, 0.2)
    for outcome in [OK, REFUSED] * 20:
        at = next(t / 2 for t in range(1, 9999) if play.probing.due({FE1}, t / 2))
        play.probing.record(FE1, outcome, PATIENCE, at)
        assert play.is_out(at)


def test_who_says_nothing_to_options_is_judged_by_calls_alone(play):
    plain = HealthBook()
    for at in (0.0, 0.1, 0.2, 15.0, 40.0):
        play.run(SILENT, at, at + 0.1)
        play.fail(at)
        plain.record_failure(FE1, "refused", at)
        assert play.book.health(FE1, at) == plain.health(FE1, at)
    play.run(SILENT, 41.0, 200.0)
    assert play.asked
    assert play.book.health(FE1, 41.0) == plain.health(FE1, 41.0)
    assert play.book.ejected_until(FE1) == plain.ejected_until(FE1)


def test_silence_counts_against_who_has_answered_before(play):
    play.fail(0.0)
    play.run(OK, 1.0, 5.0)
    play.book.record_success(FE1, 5.0)
    play.fail(6.0)
    play.run(SILENT, 7.0, 60.0)
    assert play.is_out(59.0), "one call failed, two probes said the same"


def fall_silent(play, at):
    play.book.record_failure(FE1, "timeout", at, is_silent=True)


def test_who_is_silent_to_calls_and_probes_is_tried_by_no_call(play):
    fall_silent(play, 0.0)
    for second in range(1, int(DEAF_AFTER)):
        play.run(SILENT, float(second), second + 1.0)
        assert play.is_out(second + 0.9), second
    assert play.book.health(FE1, DEAF_AFTER).times_ejected == 1


def test_silence_may_be_deafness_after_minutes_and_one_call_finds_out(play):
    fall_silent(play, 0.0)
    play.run(SILENT, 1.0, DEAF_AFTER + 20.0)
    now = DEAF_AFTER + 20.0
    assert not play.is_out(now)
    play.book.try_out(FE1, now)
    fall_silent(play, now + 2.0)
    for second in range(int(now) + 3, int(now) + int(DEAF_AFTER) - 3):
        play.run(SILENT, float(second), second + 1.0)
        assert play.is_out(second + 0.9), second


def test_who_answers_calls_and_no_options_is_judged_by_calls_from_then_on(play):
    fall_silent(play, 0.0)
    play.run(SILENT, 1.0, DEAF_AFTER + 20.0)
    now = DEAF_AFTER + 20.0
    play.book.record_success(FE1, now)
    play.run(SILENT, now, now + 5.0)
    fall_silent(play, now + 10.0)
    play.run(SILENT, now + 10.0, now + 21.0)
    assert not play.is_out(now + 21.0), "as long as any other ejection"


def test_who_was_silent_and_answers_twice_is_back(play):
    fall_silent(play, 0.0)
    play.run(SILENT, 1.0, 60.0)
    assert play.is_out(60.0)
    play.run(OK, 60.0, 75.0)
    assert not play.is_out(75.0)


def test_who_is_reached_again_but_says_nothing_goes_back_to_its_own_ejection(play):
    play.fail(0.0, 0.1, 0.2)
    play.run(REFUSED, 1.0, 100.0)
    assert play.is_out(100.0)
    play.run(SILENT, 100.0, 113.0)
    assert not play.is_out(113.0)
    play.fail(114.0)
    assert play.book.ejected_until(FE1) == 134.0, "as if there had been no probes"


def test_who_answers_options_but_no_calls_is_brought_back_only_once(play):
    play.fail(0.0, 0.1, 0.2)
    play.run(OK, 1.0, 5.0)
    assert not play.is_out(5.0)
    play.fail(6.0)
    play.run(OK, 7.0, 26.0)
    assert play.is_out(25.9), "the second ejection takes its twenty seconds"
    assert not play.is_out(26.0)
    play.fail(27.0)
    play.run(OK, 28.0, 57.0)
    assert play.is_out(56.9)
    play.book.record_success(FE1, 60.0)
    play.probing.due({FE1}, 60.0)
    play.fail(61.0, 61.1, 61.2)
    play.run(OK, 62.0, 66.0)
    assert not play.is_out(66.0), "a call was answered: probes are trusted again"


def test_answers_do_not_hide_that_calls_fail(play):
    # Calls fail seldom, probes are answered in between: it must be ejected.
    for at in (0.0, 60.0, 120.0):
        play.fail(at)
        play.run(OK, at + 1.0, at + 1.5)
        play.run(OK, at + 3.0, at + 3.5)
    assert play.book.health(FE1, 120.0).times_ejected == 1


def test_an_outcome_after_a_call_was_answered_changes_nothing(play):
    play.fail(0.0, 0.1, 0.2)
    assert play.probing.due({FE1}, 1.0)
    play.book.record_success(FE1, 1.5)
    play.probing.record(FE1, REFUSED, PATIENCE, 2.0)
    assert not play.book.suspects


def test_news_of_a_worker_count_as_failures_of_our_own(play):
    sibling = HealthBook()
    sibling.on_change = play.book.take_over
    play.book.on_change = sibling.take_over
    for at in (0.0, 0.1, 0.2):
        sibling.record_failure(FE1, "refused", at)
    play.run(REFUSED, 1.0, 60.0)
    assert sibling.is_ejected(FE1, 60.0)
    play.run(OK, 60.0, 80.0)
    assert not sibling.is_ejected(FE1, 80.0)
    sibling.record_failure(FE1, "refused", 81.0)
    play.run(OK, 82.0, 95.0)
    assert sibling.is_ejected(FE1, 95.0) and play.is_out(95.0)


FRONT_END = FrontEnd("tls", "192.0.2.1", 5061)
GOOD = Reading()


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ({"connect": Reading("refused")}, (False, True, "refused")),
        ({"connect": Reading("timeout")}, (False, True, "timeout")),
        ({"connect": GOOD, "tls": Reading("chain")}, (False, True, "tls")),
        ({"connect": GOOD, "tls": Reading("name")}, (False, True, "tls")),
        (
            {"connect": GOOD, "tls": GOOD, "options": Reading("ours")},
            (False, True, "tls"),
        ),
        ({"connect": GOOD, "options": Reading("timeout")}, (False, False, "timeout")),
        ({"connect": GOOD, "options": Reading("closed")}, (False, False, "closed")),
        ({"options": Reading("refused")}, (False, False, "refused")),
        ({"connect": GOOD, "options": Reading(status=200)}, (True, False, "200")),
        ({"connect": GOOD, "options": Reading(status=405)}, (True, False, "405")),
        ({"connect": GOOD, "options": Reading(status=503)}, (False, False, "503")),
    ],
)
def test_what_a_probe_says(readings, expected):
    assert outcome_of(Probe(FRONT_END, **readings), [503]) == expected


def test_one_way_is_enough_but_every_name_is_needed():
    assert best_of([REFUSED, SILENT]) == SILENT
    assert best_of([REFUSED, OK]) == OK
