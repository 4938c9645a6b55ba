"""The ledger and the notes in a store."""

from proxy.endpoints.pool_usage import NO_TIMES, PoolUsage, UserDays
from proxy.endpoints.unknown import NOBODY
from proxy.endpoints.usage import OTHERS, Usage
from proxy.store import Actor, open_store
from proxy.store.sqlite.rows import SIZES
from proxy.store.sqlite.store import SqliteStore

KEY = "ocschat@contoso.test"
ANNA = Actor("anna", "cli on box")


def row(aor, first, last, count=1, failed=0, agent="x"):
    return Usage(KEY, aor, first, last, count, failed, agent, "e", "tcp:10.1.1.1")


async def test_counts_add_up_and_outlive_the_store(store, store_url):
    await store.add_usage([row("a", 5.0, 6.0, 2), row("b", 5.0, 9.0)])
    await store.add_usage([row("a", 7.0, 8.0, 3, 1, "y")])
    await store.close()
    again = await open_store(store_url)
    assert await again.usage() == [row("b", 5.0, 9.0), row("a", 5.0, 8.0, 5, 1, "y")]
    assert await again.usage("nobody@contoso.test") == []
    await again.close()


async def test_counting_does_not_move_the_version_of_the_table(store):
    version = await store.table_version()
    await store.add_usage([row("a", 1.0, 1.0)])
    assert await store.table_version() == version


async def test_a_full_ledger_counts_new_names_together(store):
    ledger = store._file.ledger if isinstance(store, SqliteStore) else store
    ledger._max_users = 2
    await store.add_usage([row("a", 1.0, 1.0), row("b", 1.0, 1.0)])
    await store.add_usage([row("a", 2.0, 2.0), row("c", 2.0, 2.0), row("d", 2.0, 2.0)])
    found = {each.aor: each.count for each in await store.usage()}
    assert found == {"a": 2, "b": 1, OTHERS: 2}


async def test_a_note_is_kept_replaced_and_forgotten(store):
    assert await store.note("runbook") == ""
    await store.set_note("runbook", "one")
    await store.set_note("runbook", "two")
    assert await store.note("runbook") == "two"
    await store.set_note("runbook", "")
    assert await store.note("runbook") == ""


def pool_row(pool="old.test", day=100, cutover=1, calls=1, **more):
    return PoolUsage(KEY, pool, day, cutover, calls, **more)


async def test_what_pools_did_adds_up(store, store_url):
    times = (1, *NO_TIMES[1:-1], 2)
    await store.add_usage([], [pool_row(calls=3, failed=1, times=times)])
    await store.add_usage([], [pool_row(calls=2, journeys=4, times=times)])
    await store.add_usage([], [pool_row(day=101), pool_row("new.test")])
    await store.close()
    again = await open_store(store_url)
    new, old, later = await again.pool_usage(KEY)
    assert (old.calls, old.failed, old.journeys) == (5, 1, 4)
    assert old.times == (2, *NO_TIMES[1:-1], 4)
    assert (new.pool_fqdn, later.day) == ("new.test", 101)
    assert await again.pool_usage("nobody@contoso.test") == []
    await again.close()


async def test_who_was_where_on_which_day_and_no_longer_than_wanted(store):
    for day in (100, 102, 100, 1000):
        await store.add_usage([], [], [UserDays(KEY, "old.test", "a", (day,))])
    await store.add_usage([], [], [UserDays(KEY, "new.test", "a", (100,))])
    new, old = await store.user_days()
    assert (old.days, new.days) == ((100, 102, 1000), (100,))
    await store.add_usage([], [pool_row(day=100), pool_row(day=102)])
    assert await store.forget_days(102) == 3
    assert [x.days for x in await store.user_days()] == [(102, 1000)]
    assert [x.day for x in await store.pool_usage()] == [102]
    assert await store.forget_days(102) == 0


async def test_a_user_can_be_forgotten(store):
    await store.add_usage([row("a", 1.0, 1.0), row("b", 1.0, 1.0)])
    days = [UserDays(KEY, "old.test", who, (1,)) for who in ("a", "b", "aa")]
    await store.add_usage([], [pool_row()], days)
    assert await store.forget_user("a", ANNA, 7.5) == 2
    assert [x.aor for x in await store.usage()] == ["b"]
    assert [x.aor for x in await store.user_days()] == ["aa", "b"]
    assert len(await store.pool_usage()) == 1
    assert await store.forget_user("a", ANNA, 8.5) == 0


async def test_that_somebody_was_forgotten_stands_in_the_history_without_a_name(store):
    version = await store.table_version()
    names = ["KEY", 'a"b\\@contoso.test', "c"]
    await store.add_usage([row(each, 1.0, 1.0) for each in names])
    await store.add_usage([], [], [UserDays(KEY, "old.test", "c", (1,))])
    for name, count in zip(names, (1, 1, 2), strict=True):
        actor = Actor(f'KEY "{name}', "cli on KEY")
        assert await store.forget_user(name, actor, 7.5) == count
        first = (await store.history())[0]
        assert (first.verb, first.kind) == ("usage.forget", "usage")
        assert first.key == {1: "1 row", 2: "2 rows"}[count]
        assert (first.actor, first.at) == (actor, 7.5)
        assert (first.before, first.after) == (None, None)
        assert await store.audit_row(first.number) == first
    assert await store.forget_user("nobody", ANNA, 7.5) == 0
    assert len(await store.history()) == 3
    assert len(await store.history("1 row")) == 2
    assert await store.table_version() == version


def dialled(address, last, count=1, aor="a@x", agent="ua"):
    return Usage(address, aor, last, last, count, count, agent, "e", "tcp:10.1.1.1")


async def test_what_nobody_serves_adds_up_and_outlives_the_store(store, store_url):
    first = [dialled("chat@x", 5.25, 2), dialled("chat@x", 6.0, 1, "b@x")]
    await store.add_unknown(first)
    second = [dialled("chat@x", 7.5, 3, agent="new"), dialled("c@x", 9.0)]
    await store.add_unknown(second)
    await store.add_unknown([])
    await store.close()
    again = await open_store(store_url)
    c, a, b = await again.unknown()
    assert await again.unknown_held() == (3, 0)
    assert (c.endpoint_key, b.aor) == ("c@x", "b@x")
    assert (a.first_at, a.last_at, a.count, a.failed) == (5.25, 7.5, 5, 5)
    assert (a.user_agent, a.epid, a.source) == ("new", "e", "tcp:10.1.1.1")
    await again.close()


async def test_what_nobody_serves_is_bounded_and_the_rest_is_counted(store):
    part = store._file.unknown if isinstance(store, SqliteStore) else store
    part._most = 3
    await store.add_unknown([dialled("daily@x", 1000.0, 20)])
    for number in range(5):
        await store.add_unknown([dialled(f"{number}@x", 2000.0 + number)])
    rows = await store.unknown()
    assert {row.endpoint_key for row in rows} == {"daily@x", "4@x", "3@x", OTHERS}
    (nobody,) = [row for row in rows if (row.endpoint_key, row.aor) == NOBODY]
    assert (nobody.count, nobody.first_at, nobody.last_at) == (3, 2000.0, 2002.0)
    assert (nobody.user_agent, nobody.source) == ("", "")
    await store.add_unknown([dialled(f"x{n}@x", 3000.0 + n) for n in range(9)])
    rows = await store.unknown()
    assert len(rows) == 4 and sum(row.count for row in rows) == 34
    assert rows[-1].endpoint_key == "daily@x"
    nobody = next(row.count for row in rows if row.endpoint_key == OTHERS)
    assert await store.unknown_held() == (3, nobody)


async def test_who_is_forgotten_is_neither_a_caller_nor_an_address(store):
    await store.add_unknown(
        [
            dialled("chat@x", 1.0, aor="gone@x"),
            dialled("chat@x", 1.0, aor="agone@x"),
            dialled("gone@x", 2.0),
            dialled("gone@xy", 2.0),
        ]
    )
    assert await store.forget_user("gone@x", ANNA, 7.5) == 2
    left = {(row.endpoint_key, row.aor) for row in await store.unknown()}
    assert left == {("chat@x", "agone@x"), ("gone@xy", "a@x")}
    assert (await store.history())[0].key == "2 rows"


async def test_what_was_dialled_long_ago_is_forgotten(store):
    day = 86_400.0
    await store.add_unknown([dialled("a@x", 2 * day - 1, 500), dialled("b@x", 2 * day)])
    assert await store.forget_days(2) == 1
    assert [row.endpoint_key for row in await store.unknown()] == ["b@x"]
    await store.add_unknown([dialled("c@x", 3 * day)])
    assert len(await store.unknown()) == 2


async def test_a_batch_of_many_rows_is_saved_whole_and_in_few_statements(tmp_path):
    """Python's lock changes hands with every statement: few, whatever the batch."""
    store = await SqliteStore.open(tmp_path / "x.db")
    names = [f"u{n}@b.test" for n in range(2 * SIZES[0] + 7)]
    days = [UserDays(KEY, "old.test", who, (100, 101)) for who in names]
    await store.add_usage([], [], [UserDays(KEY, "old.test", names[3], (101,))])
    statements: list[str] = []
    await store._run(store._file.ledger._db.set_trace_callback, statements.append)
    await store.add_usage([row(each, 1.0, 2.0) for each in names], [], days)
    await store.add_usage([row(each, 3.0, 4.0) for each in names], [], days)
    await store._run(store._file.ledger._db.set_trace_callback, None)
    assert {(x.aor, x.first_at, x.last_at, x.count) for x in await store.usage()} == {
        (each, 1.0, 4.0, 2) for each in names
    }
    found = await store.user_days()
    assert len(found) == len(names) and {x.days for x in found} == {(100, 101)}
    assert len(statements) < len(names), "twice as many rows in two tables"
    await store.close()


async def test_the_size_of_the_tables_is_not_counted_for_every_new_user(tmp_path):
    store = await SqliteStore.open(tmp_path / "x.db")
    await store.add_usage([row("a", 1.0, 1.0)], [], [UserDays(KEY, "p", "a", (1,))])
    statements: list[str] = []
    await store._run(store._file.ledger._db.set_trace_callback, statements.append)
    for n in range(20):
        who = f"u{n}"
        days = [UserDays(KEY, "p", who, (1,))]
        await store.add_usage([row(who, 1.0, 1.0)], [], days)
    await store._run(store._file.ledger._db.set_trace_callback, None)
    assert not [each for each in statements if "count(*)" in each]
    await store.close()


async def test_a_full_table_is_counted_now_and_then_and_asked_in_few_statements(
    tmp_path,
):
    store = await SqliteStore.open(tmp_path / "x.db")
    ledger = store._file.ledger
    ledger._max_users = 50
    names = [f"u{n}" for n in range(50)]
    days = [UserDays(KEY, "p", who, (1,)) for who in names]
    await store.add_usage([row(who, 1.0, 1.0) for who in names], [], days)
    statements: list[str] = []
    await store._run(ledger._db.set_trace_callback, statements.append)
    for n in range(20):
        who = [f"new{n}", *names[:40]]
        days = [UserDays(KEY, "p", each, (2,)) for each in who]
        await store.add_usage([row(each, 2.0, 2.0) for each in who], [], days)
    await store._run(ledger._db.set_trace_callback, None)
    counts = [each for each in statements if "count(*)" in each]
    assert len(counts) == 2, "each table once"
    assert len(statements) < 20 * 41, "fewer than rows"
    found = {each.aor: each.count for each in await store.usage()}
    assert len(found) == 51 and found[OTHERS] == 20 and found["u0"] == 21
    assert len(await store.user_days()) == 50
    # Who is forgotten leaves a place, and it is found at once.
    await store.forget_user("u0", ANNA, 3.0)
    await store.forget_user(OTHERS, ANNA, 3.0)
    await store.add_usage(
        [row("late", 3.0, 3.0)], [], [UserDays(KEY, "p", "late", (3,))]
    )
    assert "late" in {each.aor for each in await store.usage()}
    assert "late" in {each.aor for each in await store.user_days()}
    await store.close()


async def test_days_of_many_users_are_forgotten_a_few_at_a_time(tmp_path):
    store = await SqliteStore.open(tmp_path / "x.db")
    names = [f"u{n}" for n in range(1201)]
    days = [UserDays(KEY, "p", who, (1, 2)) for who in names]
    days += [UserDays(KEY, "q", "old", (1,))]
    await store.add_usage([], [], days)
    statements: list[str] = []
    await store._run(store._file.ledger._db.set_trace_callback, statements.append)
    assert await store.forget_days(2) == 1202
    await store._run(store._file.ledger._db.set_trace_callback, None)
    looks = [each for each in statements if each.startswith("SELECT * FROM usage_days")]
    assert len(looks) == 4 and all("LIMIT" in each for each in looks)
    found = await store.user_days()
    assert {x.aor for x in found} == set(names) and {x.days for x in found} == {(2,)}
    await store.close()


async def test_a_full_table_of_days_takes_more_days_and_no_more_users(store):
    ledger = store._file.ledger if isinstance(store, SqliteStore) else store
    ledger._max_users = 2
    days = [UserDays(KEY, "p", who, (1,)) for who in "abc"]
    await store.add_usage([], [], days)
    assert {x.aor for x in await store.user_days()} == {"a", "b"}
    await store.add_usage([], [], [UserDays(KEY, "p", who, (2,)) for who in "cbd"])
    found = {x.aor: x.days for x in await store.user_days()}
    assert found == {"a": (1,), "b": (1, 2)}
