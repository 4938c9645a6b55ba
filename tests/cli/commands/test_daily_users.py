"""`waypost usage --daily` and `usage forget`: how users leave, and who is on two."""

import asyncio
import csv
import io

import pytest

from proxy import clock
from proxy.config import load_config
from proxy.endpoints.pool_usage import DAY, PoolUsage, UserDays, date_of
from proxy.endpoints.usage import OTHERS, Usage
from proxy.store import open_store

KEY, OTHER = "ocschat@contoso.test", "ocschat@contoso.com"
OLD, NEW = "oldpool.contoso.test", "pcpool.contoso.test"
COUNTED = "counted: legacy clients only; the endpoint isn't used by Persistent Chat"


@pytest.fixture
def today():
    return int(clock.wall() // DAY)


@pytest.fixture
def seen(config_file, waypost):
    """Counts days as a running proxy would; the last user of a day may move on."""
    waypost.create()

    def count(*days, rows=(), pools=()):
        async def save():
            store = await open_store(load_config(config_file).store_url)
            await store.add_usage(list(rows), list(pools), list(days))
            await store.close()

        asyncio.run(save())

    return count


def crowd(number, day, pool=OLD, key=KEY):
    return [UserDays(key, pool, f"u{n}@contoso.test", (day,)) for n in range(number)]


def row(aor, key=KEY):
    at = clock.wall() - 60
    return Usage(key, aor, at, at, 1, 0, "UCCAPI", "e", "tcp:10.1.1.1")


def test_users_by_day_are_a_chart_and_a_sentence(waypost, seen, today):
    seen(*crowd(20, today - 12), *crowd(10, today - 5), *crowd(5, today))
    assert waypost("usage", "--daily") == 0
    title, *rest = waypost.out.splitlines()
    assert title == f"sip:{KEY} at {OLD}, users by day (UTC):"
    chart = [line.split() for line in rest[:13]]
    assert [line[0] for line in chart] == [
        date_of(day) for day in range(today - 12, today + 1)
    ]
    counts = {line[0]: int(line[1]) for line in chart}
    assert (counts[date_of(today - 12)], counts[date_of(today - 5)]) == (20, 10)
    assert counts[date_of(today - 4)] == 0
    bars = [len(line[2]) for line in chart if len(line) > 2]
    assert bars[0] > bars[1] > bars[2] >= 1
    assert rest[13] in (
        "users left: 20 → 5 in 14 days",
        "users left: 20 -> 5 in 14 days",
    )
    assert COUNTED in waypost.out
    assert all(len(line) <= 80 for line in waypost.out.splitlines())


def test_the_days_that_are_looked_at_can_be_named(waypost, seen, today):
    seen(*crowd(20, today - 12), *crowd(10, today - 5), *crowd(5, today - 1))
    waypost("usage", "--daily", "--days", "7")
    assert "10 " in next(x for x in waypost.out.splitlines() if "users left" in x)
    assert "in 7 days" in waypost.out
    seen(*crowd(1, today - 40, key=OTHER))
    waypost("usage", OTHER, "--daily")
    assert waypost.code == 1, "it is no endpoint, and nobody has used it"


def test_each_pool_has_a_chart_of_its_own(waypost, seen, today):
    seen(*crowd(4, today - 1), *crowd(3, today, NEW))
    waypost("usage", KEY, "--daily")
    titles = [line for line in waypost.out.splitlines() if line.startswith("sip:")]
    assert [title.split()[2] for title in titles] == [f"{OLD},", f"{NEW},"]
    assert waypost.out.count("users left:") == 2
    waypost("usage", "--json")
    (view,) = waypost.json
    assert view["counted"] in COUNTED
    assert {(x["pool_fqdn"], x["day"], x["users"]) for x in view["users_by_day"]} == {
        (OLD, date_of(today - 1), 4),
        (NEW, date_of(today), 3),
    }


def test_the_days_as_csv_are_all_that_are_kept(waypost, seen, today):
    seen(*crowd(2, today - 300), *crowd(1, today))
    assert waypost("usage", "--daily", "--csv") == 0
    rows = list(csv.DictReader(io.StringIO(waypost.out)))
    assert rows == [
        {"endpoint": f"sip:{KEY}", "pool": OLD, "day": date_of(day), "users": users}
        for day, users in ((today - 300, "2"), (today, "1"))
    ]


def test_where_nobody_was_counted_it_says_so(waypost, seen):
    assert waypost("usage", "--daily") == 0
    assert waypost.out.splitlines() == ["nobody was counted yet", COUNTED]


def test_users_of_more_than_one_endpoint_are_named(waypost, seen):
    waypost.create(OTHER)
    both = [
        row(f"u{n:02}@contoso.test", key) for n in range(12) for key in (KEY, OTHER)
    ]
    seen(rows=[*both, row("alice@contoso.test"), row(OTHERS), row(OTHERS, OTHER)])
    assert waypost("usage") == 0
    (line,) = [x for x in waypost.out.splitlines() if "more than one endpoint" in x]
    assert "u00@contoso.test, u01@contoso.test" in line and "and 2 more" in line
    assert "alice" not in line and OTHERS not in line
    assert COUNTED in waypost.out
    waypost("usage", "forget", "u00@contoso.test")
    waypost("usage")
    (line,) = [x for x in waypost.out.splitlines() if "more than one endpoint" in x]
    assert "u00@" not in line and "and 1 more" in line


def test_a_user_is_forgotten_everywhere_and_totals_stay(waypost, seen, today):
    pool = PoolUsage(KEY, OLD, today, 0, 7)
    seen(*crowd(2, today), rows=[row("u0@contoso.test")], pools=[pool])
    assert waypost("usage", "forget", "SIP:u0@Contoso.test") == 0
    assert waypost.out == "2 rows forgotten; totals of pools name nobody\n"
    waypost("usage", "--json")
    (view,) = waypost.json
    assert view["clients"] == [] and view["pools"][0]["calls"] == 7
    assert [x["users"] for x in view["users_by_day"]] == [1]
    waypost("endpoint", "history", "--json")
    assert waypost("usage", "forget", "u0@contoso.test", "--json") == 0
    assert waypost.json == {"user": "u0@contoso.test", "rows": 0}


@pytest.mark.parametrize("words", [("forget",), ("forget", "alice"), (KEY, "alice@x")])
def test_whom_to_forget_has_to_be_said(waypost, seen, words):
    seen(rows=[row("alice@contoso.test")])
    assert waypost("usage", *words) == 1
    assert "alice@contoso.com" in waypost.err
    waypost("usage", "--json")
    assert waypost.json[0]["users"] == 1
