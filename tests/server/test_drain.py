"""The orderly end: nothing new is taken, and what was begun may end."""

import asyncio
from types import SimpleNamespace

import pytest

from proxy.core import events
from proxy.server import drain as module
from proxy.server.drain import Drain, open_transactions
from proxy.server.host.notify import Notifier
from proxy.server.state import ServiceState
from proxy.server.tasks import Tasks


class Told(Notifier):
    """What the service manager hears."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def tell(self, *lines: str) -> None:
        self.lines += lines


class World:
    def __init__(self, limit: float = 60.0) -> None:
        self.told, self.stepped = Told(), []
        self.clients: dict[int, SimpleNamespace] = {}
        self.servers: dict[int, SimpleNamespace] = {}
        layer = SimpleNamespace(clients=self.clients, servers=self.servers)
        self.runtime = SimpleNamespace(
            core=SimpleNamespace(transactions=layer),
            loop=asyncio.get_running_loop(),
            tasks=Tasks(),
            step=self.stepped.append,
        )
        self.drain = Drain(ServiceState(), limit, self.told)
        self.drain.runtime = self.runtime  # type: ignore[assignment]

    def open(self, *states: str) -> None:
        for state in states:
            self.clients[len(self.clients)] = SimpleNamespace(state=state)


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(module, "LOOK", 0.0)


async def test_it_begins_once_and_says_how_many_are_open() -> None:
    world = World()
    world.open("calling", "proceeding", "completed", "accepted")
    assert world.drain.begin() == 2 == world.drain.begin()
    assert [type(x) for x in world.stepped] == [events.Draining]
    assert world.told.lines == ["STOPPING=1", "STATUS=draining, 2 left"]
    assert world.drain.is_begun and not world.drain.ended.is_set()
    world.clients.clear()
    async with asyncio.timeout(10):
        await world.drain.ended.wait()


async def test_with_nothing_open_it_is_over_at_once() -> None:
    world = World()
    assert world.drain.begin() == 0
    async with asyncio.timeout(10):
        await world.drain.ended.wait()


async def test_it_has_a_limit() -> None:
    world = World(limit=0.0)
    world.open("calling")
    world.drain.begin()
    async with asyncio.timeout(10):
        await world.drain.ended.wait()
    assert len(world.clients) == 1


async def test_the_first_signal_drains_and_the_second_ends() -> None:
    world = World()
    world.open("calling")
    world.drain.terminate()
    assert not world.drain.ended.is_set()
    world.drain.terminate()
    assert world.drain.ended.is_set()
    await world.runtime.tasks.close()


async def test_before_the_start_there_is_nothing_to_drain() -> None:
    drain = Drain(ServiceState(), 60.0, Told())
    assert drain.begin() == 0 and drain.ended.is_set() and not drain.is_begun


async def test_a_request_that_waits_on_either_side_is_open() -> None:
    world = World()
    world.open("calling", "trying", "proceeding", "completed", "stranded")
    for number, state in enumerate(("trying", "proceeding", "completed", "confirmed")):
        world.servers[number] = SimpleNamespace(state=state)
    assert open_transactions(world.runtime.core) == 5
