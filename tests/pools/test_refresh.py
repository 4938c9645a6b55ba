"""Which name is refreshed when, on a virtual clock."""

import random

import pytest

from proxy.pools.answers import Answer, DnsLimits, Question
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.refresh import JITTER, ResolutionCache

POOL = Lookup("pool.test")
OTHER = Lookup("other.test")


def cache(**limits):
    return ResolutionCache(DnsLimits(**limits), random.Random(1))


def good(lookup=POOL, now=0.0, ttl=100.0, host="192.0.2.1"):
    fe = FrontEnd("udp", host, 5060, "fe1.test", lookup.host)
    return Resolution(lookup, {"udp": ((fe,),)}, expires=now + ttl, resolved_at=now)


def failed(error, lookup=POOL, now=0.0, ttl=5.0):
    return Resolution(lookup, {}, expires=now + ttl, resolved_at=now, error=error)


def put(names, resolution, now=0.0):
    ttl = resolution.expires - now
    answers = [Answer(Question("fe1.test", "A"), ("192.0.2.1",), ttl, now)]
    return names.put(resolution, answers, now)


def test_a_name_in_use_is_due_at_80_percent_of_its_time():
    names = cache()
    put(names, good(ttl=100.0))
    assert 100 * (0.8 - JITTER) <= names.next_due() <= 100 * (0.8 + JITTER)
    assert names.take_due(70.0) == []
    assert names.take_due(90.0) == [POOL]


def test_names_that_began_together_drift_apart():
    names = cache()
    dues = set()
    for n in range(20):
        put(names, good(Lookup(f"pool{n}.test")))
        dues.add(names.entry(Lookup(f"pool{n}.test")).due)
    assert len(dues) == 20


def test_a_due_name_is_handed_out_once():
    names = cache()
    put(names, good())
    assert names.take_due(90.0) == [POOL]
    assert names.take_due(91.0) == []
    assert names.next_due() is None
    put(names, good(now=92.0), 92.0)
    assert names.next_due() > 160.0


def test_a_name_nobody_asked_for_in_an_hour_is_dropped():
    names = cache()
    put(names, good(ttl=3600.0))
    put(names, good(OTHER, ttl=3600.0))
    names.get(OTHER, 1000.0)
    now = 3601.0
    assert names.take_due(now) == [OTHER]
    assert names.get(POOL, now) is None


def test_a_pinned_name_is_refreshed_for_ever():
    names = cache()
    assert names.pin([POOL]) == [POOL]
    for n in range(100):
        put(names, good(now=n * 3600.0, ttl=3600.0), n * 3600.0)
        assert names.take_due((n + 1) * 3600.0) == [POOL]
    assert names.pin([POOL]) == []


def test_an_expired_answer_is_handed_out_an_expired_failure_is_not():
    names = cache()
    put(names, good())
    put(names, failed("srv", OTHER))
    assert names.get(POOL, 5000.0) is not None
    assert names.get(OTHER, 4.9) is not None
    assert names.get(OTHER, 5.0) is None


def test_failures_are_not_refreshed_unless_pinned():
    names = cache()
    put(names, failed("srv"))
    put(names, failed("srv", OTHER))
    names.pin([OTHER])
    assert names.take_due(6.0) == [OTHER]
    assert names.lookups() == [OTHER]


def test_news_is_told_once():
    names = cache()
    first = good()
    assert put(names, first) == (first, True)
    assert put(names, good(now=80.0), 80.0) == (first, False)
    assert first.expires == 180.0
    flipped = good(now=160.0, host="192.0.2.2")
    assert put(names, flipped, 160.0) == (flipped, True)


@pytest.mark.parametrize("error", ["srv", "address"])
def test_a_name_that_is_gone_is_gone(error):
    names = cache()
    put(names, good())
    assert put(names, failed(error, now=90.0), 90.0)[1]
    assert names.get(POOL, 91.0).error == error


def test_a_failed_look_up_never_evicts_and_is_tried_again_soon():
    names = cache()
    first = good()
    put(names, first)
    names.take_due(90.0)
    assert names.put(failed("timeout", now=90.0), (), 90.0) == (first, True)
    assert first.stale_since == 90.0
    assert 99.0 <= names.next_due() <= 101.0
    names.take_due(101.0)
    assert names.put(failed("timeout", now=101.0), (), 101.0) == (first, False)
    assert first.stale_since == 90.0


def test_after_a_day_a_failed_look_up_is_believed():
    names = cache()
    put(names, good())
    late = 100.0 + 86_400.0
    assert names.put(failed("timeout", now=late), (), late)[0].error == "timeout"


def test_recovery_from_stale_is_news():
    names = cache()
    first = good()
    put(names, first)
    names.put(failed("timeout", now=90.0), (), 90.0)
    recovered = good(now=100.0)
    assert put(names, recovered, 100.0) == (recovered, True)


def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago():
    names = cache(max_names=3)
    names.pin([Lookup("pool0.test")])
    for n in range(3):
        put(names, good(Lookup(f"pool{n}.test")), float(n))
    names.get(Lookup("pool1.test"), 10.0)
    put(names, good(Lookup("pool3.test")), 11.0)
    assert {lookup.host for lookup in names.lookups()} == {
        "pool0.test",
        "pool1.test",
        "pool3.test",
    }


def test_the_age_of_an_answer_goes_on_through_failures():
    names = cache()
    put(names, good())
    put(names, failed("timeout", now=90.0), 90.0)
    assert names.get(POOL, 91.0).answered_at == 0.0
    stale = good(now=95.0, host="192.0.2.2")
    stale.stale_since = 90.0
    put(names, stale, 95.0)
    assert names.get(POOL, 96.0).answered_at == 0.0
    put(names, good(now=120.0), 120.0)
    assert names.get(POOL, 121.0).answered_at == 120.0


def test_a_name_that_never_had_an_answer_ages_from_the_first_question():
    names = cache()
    for at in (10.0, 20.0, 30.0):
        put(names, failed("timeout", now=at), at)
    assert names.get(POOL, 31.0).answered_at == 10.0
    put(names, failed("srv", now=40.0), 40.0)  # DNS works: it says that there is none
    assert names.get(POOL, 41.0).answered_at == 40.0


def test_after_a_change_of_servers_names_in_use_are_due_at_once():
    names = cache()
    names.pin([POOL])
    put(names, good(ttl=3600.0))
    put(names, failed("srv", OTHER, ttl=30.0))
    names.ask_again(10.0)
    assert names.take_due(10.0) == [POOL]
    assert names.get(POOL, 10.0) is not None
    assert names.get(OTHER, 10.0) is None  # what the old servers did not know
