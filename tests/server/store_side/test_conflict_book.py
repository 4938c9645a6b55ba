"""Old services that still register: told once a minute each, and all are counted."""

import pytest
from structlog.testing import capture_logs

from proxy.core import commands
from proxy.server.store_side import conflict_book
from proxy.server.store_side.conflict_book import CONFLICT_EVERY, ConflictBook
from tests.server.store_side.world import RuntimeLike, Store


class World(RuntimeLike):
    """A book whose clock a test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.loop = self  # type: ignore[assignment]
        self.store = Store()
        self.book = ConflictBook(self.store, self)  # type: ignore[arg-type]

    def time(self) -> float:
        return self.now

    def refused(self, source: str = "udp:10.0.0.9") -> bool:
        """Whether it was logged."""
        with capture_logs() as logs:
            self.book.note(commands.NoteConflict("chat@b.test", source, "RTC", "sip:c"))
        return [each["event"] for each in logs] == ["conflict.detected"]

    async def counts(self) -> list[int]:
        await self.settled()
        return [row.count for (row,) in self.store.calls("note_conflict")]


async def test_a_source_is_told_once_a_minute_and_its_silent_times_count() -> None:
    world = World()
    assert world.refused()
    for _ in range(5):
        world.now += 1.0
        assert not world.refused()
    world.now = 100.0 + CONFLICT_EVERY
    assert world.refused()
    assert await world.counts() == [1, 6]


async def test_another_source_is_told_by_itself() -> None:
    world = World()
    assert world.refused("a") and world.refused("b") and not world.refused("a")
    assert await world.counts() == [1, 1]


async def test_sources_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conflict_book, "MAX_SOURCES", 2)
    world = World()
    for source in ("a", "b", "c"):
        assert world.refused(source)
    assert not world.refused("c") and world.refused("a")
    await world.settled()
