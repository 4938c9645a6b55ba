"""What cannot be saved is not kept without limit, and leaves no garbage.

The store is a real file that refuses, or a real Redis that is gone.
"""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from pathlib import Path

from proxy.endpoints.unknown import MOST_FRESH
from proxy.endpoints.usage import OTHERS, Usage, bounded
from proxy.server.store_side import ledger
from proxy.server.store_side.ledger import LedgerWriter
from proxy.server.store_side.store_writes import StoreWrites
from proxy.store import Store, StoreError, open_store
from tests.support.redis import RedisServer


def row(number: int, endpoint: str = "chat@b.test") -> Usage:
    name = f"u{number}@b.test"
    return Usage(endpoint, name, 1.0, float(number), 2, 1, "agent", "epid", "udp:::1")


def test_who_was_silent_for_longest_loses_his_name_and_no_request() -> None:
    rows = [row(n) for n in range(10)] + [row(11, "other@b.test")]
    kept, dropped = bounded(rows, 8)
    assert dropped == 3
    assert sum(each.count for each in kept) == sum(each.count for each in rows)
    names = {each.aor for each in kept}
    assert names == {OTHERS, "u11@b.test", *(f"u{n}@b.test" for n in range(3, 10))}
    unnamed = next(each for each in kept if each.aor == OTHERS)
    assert (unnamed.count, unnamed.failed, unnamed.user_agent) == (6, 3, "")
    again, more = bounded([*kept, *(row(n) for n in range(20, 24))], 8)
    assert more == 4
    assert len(again) <= 8 + 2, "one more for each endpoint"
    assert bounded(rows, 11) == (rows, 0)


@contextlib.asynccontextmanager
async def gone(directory: Path) -> AsyncIterator[Store]:
    """An open store whose Redis is not there any more."""
    redis = RedisServer(directory)
    redis.start()
    store = await open_store(redis.url)
    redis.kill()
    yield store
    await store.close()


class Book:
    """What was counted since the last look."""

    def __init__(self, rows: list[Usage]) -> None:
        self._rows = rows

    def take_pools(self):
        """Nothing."""
        return [], []

    def take(self) -> list[Usage]:
        return self._rows


async def test_unsaved_names_are_bounded_and_counted(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(ledger, "MOST_UNSAVED", 100)
    writes = StoreWrites()
    async with gone(tmp_path) as store:
        writer = LedgerWriter(store, writes)
        for batch in range(20):
            fresh = [row(batch * 50 + n) for n in range(50)]
            writer.book = Book(fresh)  # type: ignore[assignment]
            writer._take()
            await writer._begin()
            assert len(writer) <= 101
    assert writes.dropped["usage"] == 20 * 50 - 100
    assert sum(each.count for each in writer._unsaved) == 20 * 50 * 2


async def test_unsaved_unknown_addresses_are_bounded_and_counted(tmp_path) -> None:
    async with gone(tmp_path) as store:
        writer = LedgerWriter(store)
        for batch in range(4):
            rows = [row(n, f"{batch}.{n}@b.test") for n in range(MOST_FRESH // 2)]
            writer.unknown = Book(rows)  # type: ignore[assignment]
            writer._take()
            await writer._begin()
            assert len(writer._unknown) <= MOST_FRESH + 1
    assert sum(each.count for each in writer._unknown) == 4 * MOST_FRESH


async def test_what_was_saved_is_not_saved_again_with_what_was_not(tmp_path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/waypost.db")

    class Refusing:
        add_usage = store.add_usage

        async def add_unknown(self, rows) -> None:
            raise StoreError("full")

    writer = LedgerWriter(Refusing())  # type: ignore[arg-type]
    writer.book = Book([row(1)])  # type: ignore[assignment]
    writer.unknown = Book([row(2)])  # type: ignore[assignment]
    writer._take()
    await writer._begin()
    assert (writer._unsaved, len(writer._unknown)) == ([], 1)
    writer.book, writer._store = Book([]), store  # type: ignore[assignment]
    writer.unknown = Book([])  # type: ignore[assignment]
    await writer.close()
    assert [x.count for x in await store.usage()] == [2]
    assert [x.count for x in await store.unknown()] == [2]
    await store.close()


class Saved:
    """A store that notes what it is given."""

    def __init__(self) -> None:
        self.rows: list[Usage] = []

    async def add_usage(self, rows: list[Usage], pools: object, users: object) -> None:
        """Noted."""
        self.rows += rows

    async def add_unknown(self, rows: list[Usage]) -> None:
        """Nobody dials what nobody serves here."""
        assert not rows


class Slices(Book):
    """A book that says how much was taken out at a time, between two turns."""

    def __init__(self, rows: list[Usage]) -> None:
        super().__init__(rows)
        self.turns: list[int] = [0]

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, most: int | None = None) -> list[Usage]:
        most = len(self._rows) if most is None else most
        some, self._rows = self._rows[:most], self._rows[most:]
        self.turns[-1] += len(some)
        asyncio.get_running_loop().call_soon(self.turns.append, 0)
        return some


async def test_many_are_taken_a_few_in_a_turn_so_that_messages_go_on(monkeypatch):
    monkeypatch.setattr(ledger, "SAVE", 0.0)
    store, book = Saved(), Slices([row(n) for n in range(7 * ledger.SLICE + 5)])
    writer = LedgerWriter(store)  # type: ignore[arg-type]
    writer.book = book  # type: ignore[assignment]
    running = asyncio.get_running_loop().create_task(writer.run())
    async with asyncio.timeout(10):
        while len(store.rows) < 7 * ledger.SLICE + 5:
            await asyncio.sleep(0)
    running.cancel()
    assert max(book.turns) == ledger.SLICE, book.turns
    assert len({each.aor for each in store.rows}) == len(store.rows)


async def test_what_is_half_taken_at_a_stop_is_saved(monkeypatch):
    monkeypatch.setattr(ledger, "SAVE", 0.0)
    store, book = Saved(), Slices([row(n) for n in range(7 * ledger.SLICE)])
    writer = LedgerWriter(store)  # type: ignore[arg-type]
    writer.book = book  # type: ignore[assignment]
    running = asyncio.get_running_loop().create_task(writer.run())
    async with asyncio.timeout(10):
        while len(book) == 7 * ledger.SLICE:
            await asyncio.sleep(0)
    running.cancel()
    assert len(book) > 0, "it was stopped half-way"
    await writer.close()
    assert len({each.aor for each in store.rows}) == 7 * ledger.SLICE


async def test_a_failed_save_leaves_no_cycle(tmp_path) -> None:
    """With the collector off each would be kept for ever, rows and all."""
    async with gone(tmp_path) as store:
        for _ in range(3):
            with contextlib.suppress(StoreError):
                await store.add_usage([row(1)])
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                with contextlib.suppress(StoreError):
                    await store.add_usage([row(n) for n in range(20)])
                with contextlib.suppress(StoreError):
                    await store.news("")
            left = [x for x in gc.get_objects() if isinstance(x, Usage | StoreError)]
        finally:
            gc.enable()
    assert len(left) <= 25, f"{len(left)} rows and errors are still there"
