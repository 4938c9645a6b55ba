"""Whether the store takes changes: told once, and over only when it is."""

import pytest
from structlog.testing import capture_logs

from proxy import clock
from proxy.server.store_side import store_writes
from proxy.server.store_side.store_writes import TELL_EVERY, TRY, StoreWrites
from proxy.store import StoreError
from tests.server.store_side.world import Store, runs


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The clock of the machine, which a test moves."""
    held = [1_000.0]
    monkeypatch.setattr(clock, "boottime", lambda: held[0])
    monkeypatch.setattr(clock, "wall", lambda: held[0] + 5.0)
    return held


def full() -> StoreError:
    return StoreError("the disk is full")


def test_a_failed_write_is_told_once_a_minute_with_how_long_it_lasts(now) -> None:
    writes = StoreWrites()
    with capture_logs() as logs:
        writes.failed(full())
        now[0] += 1.0
        writes.failed(full())
        now[0] += TELL_EVERY
        writes.failed(full())
    assert [x["event"] for x in logs] == ["store.not_written"] * 2
    assert logs[1]["for_seconds"] == 61
    assert (writes.problem, writes.since, writes.lasts) == (
        "the disk is full",
        1_005.0,
        61.0,
    )


def test_a_store_that_is_away_is_no_matter_of_writing(now) -> None:
    writes = StoreWrites()
    away = full()
    away.is_away = True
    writes.failed(away)
    assert writes.problem == "" and writes.lasts is None


def test_a_small_write_ends_no_problem_and_a_real_one_does(now) -> None:
    writes = StoreWrites()
    writes.failed(full())
    writes.done()
    assert writes.problem and writes.is_fresh
    with capture_logs() as logs:
        writes.works()
        writes.works()
    assert writes.problem == "" and [x["event"] for x in logs] == ["store.written"]


def test_what_was_written_a_moment_ago_is_fresh(now) -> None:
    writes = StoreWrites()
    assert not writes.is_fresh
    writes.done()
    now[0] += TRY - 0.1
    assert writes.is_fresh
    now[0] += 0.1
    assert not writes.is_fresh


async def test_a_try_is_thorough_while_there_is_a_problem(now) -> None:
    writes, store = StoreWrites(), Store()
    await writes.attempt(store)  # type: ignore[arg-type]
    writes.failed(full())
    await writes.attempt(store)  # type: ignore[arg-type]
    assert store.calls("try_write") == [(False,), (True,)] and not writes.problem


@pytest.mark.parametrize("is_passing", [True, False])
async def test_only_what_a_person_must_mend_stops_the_start(now, is_passing) -> None:
    writes, store = StoreWrites(), Store()
    store.problem = full()
    store.problem.is_passing = is_passing
    if is_passing:
        await writes.begin(store)  # type: ignore[arg-type]
    else:
        with pytest.raises(StoreError):
            await writes.begin(store)  # type: ignore[arg-type]
    assert writes.problem


@pytest.mark.parametrize(
    ("is_first", "fails", "tries"),
    [(True, False, True), (False, False, False), (False, True, True)],
)
async def test_one_worker_tries_while_all_is_well_and_each_while_it_is_not(
    now, monkeypatch, is_first, fails, tries
) -> None:
    monkeypatch.setattr(store_writes, "AGAIN", 0.0)
    writes, store = StoreWrites(), Store()
    if fails:
        writes.failed(full())
        store.problem = full()
    await runs(writes.watch(store, is_first))  # type: ignore[arg-type]
    assert bool(store.calls("try_write")) is tries


async def test_the_first_worker_lets_the_store_tidy_up(now, monkeypatch) -> None:
    monkeypatch.setattr(store_writes, "AGAIN", 0.0)
    monkeypatch.setattr(store_writes, "TIDY", 0.0)
    for is_first in (True, False):
        store = Store()
        await runs(StoreWrites().watch(store, is_first))  # type: ignore[arg-type]
        assert bool(store.calls("tidy")) is is_first
