"""Who fails most, and what others were served meanwhile."""

from proxy.endpoints.callers import (
    BUCKETS,
    FAILED_FOR,
    SERVED_TO,
    Marks,
    TopCaller,
    bucket_of_caller,
)

ONE, TWO = "caller 01", "caller 02"


def sums(**more):
    counts = {f"{ONE} {FAILED_FOR}": 9, f"{ONE} {SERVED_TO}": 2}
    return {**counts, f"{TWO} {FAILED_FOR}": 3, "served": 50, **more}


def test_a_bucket_names_nobody_and_is_the_same_everywhere():
    names = {bucket_of_caller(f"user{n}@contoso.test") for n in range(5000)}
    assert len(names) == BUCKETS
    assert bucket_of_caller("alice@contoso.test") == "caller 08"
    assert all("@" not in name for name in names)
    assert bucket_of_caller("\udc80") in names


def test_the_bucket_with_most_failures():
    assert TopCaller.of(sums()) == TopCaller(ONE, 9, 2)
    assert TopCaller.of({"served": 3, f"{ONE} {SERVED_TO}": 3}) is None
    assert TopCaller.of({f"{ONE} {FAILED_FOR}": 0}) is None


def test_what_others_were_served_since_the_later_half_of_his_failures():
    marks = Marks()
    marks.note({}, 0)
    for failed, served in ((1, 10), (5, 20), (10, 30)):
        marks.note({f"{ONE} {FAILED_FOR}": failed}, served)
    top = TopCaller(ONE, 10, 0)
    assert marks.served_meanwhile(top, 10, 42) == 22
    assert marks.served_meanwhile(TopCaller(TWO, 1, 0), 1, 42) == 0


def test_what_is_kept_of_many_looks_is_bounded():
    marks = Marks()
    for failed in range(1, 10_000):
        marks.note({f"{ONE} {FAILED_FOR}": failed}, 2 * failed)
    assert len(marks._by_bucket[ONE]) <= 65
    meanwhile = marks.served_meanwhile(TopCaller(ONE, 9_999, 0), 9_999, 20_000)
    assert 0 < meanwhile <= 10_002
