"""How long answers hold, on a virtual clock."""

import pytest

from proxy.pools.answers import (
    MOST_KEPT,
    MOST_RECORDS,
    Answer,
    AnswerBook,
    DnsLimits,
    Question,
    lifetime,
)
from proxy.pools.srv import SrvRecord

LIMITS = DnsLimits()
FE1 = Question("fe1.test", "A")
FE2 = Question("fe2.test", "A")


def book():
    return AnswerBook(LIMITS)


@pytest.mark.parametrize(
    ("records", "ttl", "held"),
    [
        (["192.0.2.1"], 60, 60),
        (["192.0.2.1"], 0, 5),
        (["192.0.2.1"], 86_400, 3600),
        ([], 3600, 30),
        ([], 0, 5),
    ],
)
def test_times_to_live_are_clamped(records, ttl, held):
    assert book().keep(FE1, records, ttl, 100.0).expires == 100.0 + held


def test_an_answer_is_fresh_until_it_expires():
    answers = book()
    kept = answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    assert answers.fresh(FE1, 59.9) is kept
    assert answers.fresh(FE1, 60.0) is None
    assert answers.fresh(FE2, 0.0) is None


def test_a_background_refresh_renews_an_answer_that_is_nearly_old():
    answers = book()
    kept = answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    assert answers.fresh(FE1, 41.0, early=True) is kept
    assert answers.fresh(FE1, 43.0, early=True) is None


def test_a_failure_gives_back_the_last_good_answer_for_a_day():
    answers = book()
    answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    assert answers.fail(FE1, "SERVFAIL", 100.0).addresses() == ["192.0.2.1"]
    again = answers.fail(FE1, "no answer", 200.0)
    assert (again.failing_since, again.problem) == (100.0, "no answer")
    assert answers.fail(FE1, "SERVFAIL", 86_461.0).addresses() == []


def test_a_failed_answer_is_asked_for_again_at_once():
    answers = book()
    answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    answers.fail(FE1, "SERVFAIL", 10.0)
    assert answers.fresh(FE1, 11.0) is None


def test_a_failure_is_no_answer_and_is_not_kept():
    answers = book()
    failed = answers.fail(FE1, "SERVFAIL", 10.0)
    assert failed.problem == "SERVFAIL"
    assert len(answers) == 0


def test_does_not_exist_replaces_and_is_not_used_when_stale():
    answers = book()
    answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    answers.keep(FE1, [], 60, 50.0)
    answers.keep(FE1, [], 60, 50.0 + LIMITS.doubt)
    assert answers.fresh(FE1, 81.0).records == ()
    assert answers.fail(FE1, "SERVFAIL", 100.0).addresses() == []


def test_records_that_are_gone_of_a_sudden_are_used_on_for_half_a_minute():
    answers = book()
    answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    for at in (50.0, 60.0, 79.9):
        doubtful = answers.keep(FE1, [], 60, at)
        assert doubtful.addresses() == ["192.0.2.1"]
        assert "though there were" in doubtful.problem
        assert doubtful.failing_since == 50.0
        assert answers.fresh(FE1, at) is None  # asked for again by whoever needs it
    assert answers.keep(FE1, ["192.0.2.2"], 60, 80.0).problem == ""
    assert answers.fresh(FE1, 81.0).addresses() == ["192.0.2.2"]
    assert answers.keep(FE1, [], 60, 90.0).addresses() == ["192.0.2.2"]


def test_what_was_there_not_long_ago_is_looked_for_every_few_seconds():
    answers = book()
    answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    answers.keep(FE1, [], 3600, 50.0)
    for at in (80.0, 85.0, 200.0):
        gone = answers.keep(FE1, [], 3600, at)
        assert (gone.records, gone.expires - at) == ((), LIMITS.ttl_floor)
    later = 50.0 + LIMITS.idle
    assert answers.keep(FE1, [], 3600, later).expires - later == LIMITS.negative


def test_failures_between_make_the_doubt_neither_longer_nor_shorter():
    answers = book()
    answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    answers.keep(FE1, [], 60, 50.0)
    assert answers.fail(FE1, "SERVFAIL", 60.0).addresses() == ["192.0.2.1"]
    assert answers.keep(FE1, [], 60, 79.0).addresses() == ["192.0.2.1"]
    assert answers.keep(FE1, [], 60, 80.0).addresses() == []


def test_after_a_change_of_servers_every_answer_is_asked_for_again():
    answers = book()
    kept = answers.keep(FE1, ["192.0.2.1"], 60, 0.0)
    answers.ask_again(10.0)
    assert answers.fresh(FE1, 11.0) is None
    assert answers.fail(FE1, "SERVFAIL", 12.0) is kept
    again = answers.keep(FE1, ["192.0.2.1"], 60, 13.0)
    assert answers.fresh(FE1, 14.0) is again


def test_what_strangers_zones_list_is_bounded_and_costs_no_pool_its_answer():
    answers = book()
    pool = Question("_sip._udp.pool.test", "SRV")
    answers.keep(pool, [SrvRecord(0, 0, 5060, "fe.test")], 60, 0.0).is_of_pool = True
    listed = [SrvRecord(n, 0, 5060, f"fe{n}.test") for n in range(160)]
    for n in range(2_000):
        kept = answers.keep(Question(f"n{n}.test", "SRV"), reversed(listed), 60, 0.0)
        assert list(kept.records) == listed[:MOST_KEPT]
    held = list(answers._answers.values())
    assert sum(len(each.records) for each in held) == answers._records <= MOST_RECORDS
    assert held[0].question == pool and len(held) > 100
    answers.keep(pool, [SrvRecord(1, 0, 5060, "fe.test")], 60, 1.0)
    assert answers.fresh(pool, 1.0).is_of_pool


def test_the_book_is_bounded_and_forgets_the_oldest():
    answers = AnswerBook(DnsLimits(max_names=2))
    for n in range(40):
        answers.keep(Question(f"fe{n}.test", "A"), ["192.0.2.1"], 60, float(n))
    assert len(answers) == 16
    assert answers.fresh(Question("fe39.test", "A"), 40.0) is not None
    assert answers.fresh(Question("fe23.test", "A"), 40.0) is None


def answer(*records, ttl=60.0, now=0.0, problem=""):
    made = Answer(FE1, records, ttl, now)
    made.problem = problem
    return made


@pytest.mark.parametrize(
    ("answers", "complete", "expires"),
    [
        ([answer("a", ttl=60), answer("b", ttl=300)], True, 60.0),
        # no IPv6 address: the negative answer does not shorten a good one
        ([answer("a", ttl=60), answer(ttl=5)], True, 60.0),
        # a lame target is looked for again soon
        ([answer("a", ttl=600), answer(ttl=30)], False, 30.0),
        ([answer(ttl=20), answer(ttl=30)], False, 20.0),
        ([answer("a", ttl=60), answer("b", ttl=-9, problem="x")], True, 10.0),
        ([answer(problem="x", ttl=0)], False, 5.0),
    ],
)
def test_the_lifetime_of_what_is_made_of_answers(answers, complete, expires):
    assert lifetime(answers, 0.0, LIMITS, complete=complete) == expires
