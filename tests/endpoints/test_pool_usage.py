"""What each pool made of an endpoint's calls: what counts, and for how long it took."""

from dataclasses import dataclass

import pytest

from proxy.endpoints.pool_usage import (
    BOUNDS,
    NO_TIMES,
    PoolUsage,
    UserDays,
    added,
    bucket_of_time,
    total,
    users_by_day,
    users_left,
)
from proxy.endpoints.usage_book import UsageBook
from proxy.sip.flow import Flow, Listener
from proxy.sip.message import Request
from tests.support.messages import read, request

KEY, POOL = "ocschat@contoso.test", "pool.test"
FLOW = Flow(Listener("udp", "10.0.0.5", 5060), "10.1.0.9", 5060)
DAY_ONE = 20_000 * 86_400.0


@dataclass
class Record:
    """A finished request, as the core tells of it."""

    request: Request
    status: int = 200
    answered: float = 0.003
    rule: str = "endpoint"
    endpoint: str = KEY
    pool: str = POOL
    source: Flow = FLOW


def call(user="alice", method="INVITE", **more) -> Record:
    from_ = f"<sip:{user}@contoso.test>;tag=1"
    return Record(read(request(f"{method} sip:{KEY}", from_=from_)), **more)


def counted(*records: Record, at: float = DAY_ONE, cutover: int = 0):
    book = UsageBook()
    book.cutover = lambda: cutover
    for record in records:
        book.count(record, at)
    return book.take_pools()


def test_calls_failures_journeys_and_times_are_the_pools():
    (row,), (user,) = counted(
        call(), call(status=504, answered=4.0), call(rule="learned"), cutover=3
    )
    assert (row.key, row.calls, row.failed, row.journeys) == (
        (KEY, POOL, 20_000, 3),
        *(2, 1, 1),
    )
    assert sum(row.times) == 2 and row.quantile(0.5) < 0.01 < row.quantile(0.99)
    assert user == UserDays(KEY, POOL, "alice@contoso.test", (20_000,))


@pytest.mark.parametrize(
    "record",
    [
        call(status=401),
        call("waypost-doctor"),
        call(method="SUBSCRIBE"),
        call(pool=""),
        call(rule="pool", endpoint=""),
    ],
)
def test_what_says_nothing_of_a_pool_is_not_counted(record):
    assert counted(record) == ([], [])


def test_a_caller_who_gave_up_was_there_and_is_no_failure():
    (row,), (user,) = counted(call(status=487))
    assert (row.calls, row.failed, user.aor) == (0, 0, "alice@contoso.test")


def test_a_failed_channel_is_no_journey():
    (row,), users = counted(call(rule="learned", status=480))
    assert (row.journeys, users) == (0, [])


def test_a_user_is_noted_once_a_day_and_pool():
    book = UsageBook()
    for at in (DAY_ONE, DAY_ONE + 5, DAY_ONE + 86_400):
        for pool in (POOL, "new.test"):
            book.count(call(pool=pool), at)
    users = book.take_pools()[1]
    assert sorted((x.pool_fqdn, *x.days) for x in users) == [
        ("new.test", 20_000),
        ("new.test", 20_001),
        (POOL, 20_000),
        (POOL, 20_001),
    ]
    assert book.take_pools() == ([], [])
    joined = [UserDays(KEY, POOL, x, (1, 2)) for x in "ab"]
    assert users_by_day(joined) == {(KEY, POOL, 1): 2, (KEY, POOL, 2): 2}


def test_rows_add_up_and_quantiles_are_bounds():
    times = list(NO_TIMES)
    times[bucket_of_time(0.002)] = 98
    times[bucket_of_time(3.0)] = 2
    row = PoolUsage(KEY, POOL, 1, 0, 100, 2, 0, tuple(times))
    (both,) = added([row, row]).values()
    assert (both.calls, both.failed, sum(both.times)) == (200, 4, 200)
    assert both.quantile(0.5) == pytest.approx(0.002, rel=0.5)
    assert both.quantile(0.99) >= 3.0 and both.quantile(0.98) < 0.01
    assert PoolUsage(KEY, POOL, 1, 0).quantile(0.5) is None
    assert total([row, row], POOL).calls == 200 and total([row], "x").calls == 0
    assert BOUNDS[0] == 0.001 and 11 < BOUNDS[-1] < 13
    assert bucket_of_time(99.0) == len(BOUNDS)


def test_who_was_at_two_pools_on_one_day_is_left_where_the_endpoint_leads():
    rows = [UserDays("a", pool, "x@a.test", (9, 10)) for pool in ("new", "old")]
    assert users_left(rows, 8, "new") == {"new": 1}
    assert users_left(rows, 8, "old") == {"old": 1}
    earlier = [UserDays("a", "new", "x@a.test", (9,)), rows[1]]
    assert users_left(earlier, 8, "new") == {"old": 1}
