"""What the store's side has of a runtime: a loop, tasks, counters, and a core's ear."""

import asyncio
from types import SimpleNamespace

from proxy.core import events
from proxy.endpoints.table import EndpointTable
from proxy.server.store_side.store_writes import StoreWrites
from proxy.server.tasks import Tasks
from proxy.store import StoreError


class RuntimeLike:
    """``stepped`` are the events that the core would get."""

    def __init__(self, table: EndpointTable | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.tasks = Tasks()
        self.writes = StoreWrites()
        self.stepped: list[events.Event] = []
        self.step = self.stepped.append
        self.links: SimpleNamespace | None = None
        self.used_uris: set[str] = set()
        self.look_ups = {"found": 0, "unknown": 0, "failed": 0}
        self.faults: list[str] = []
        self.carrier = SimpleNamespace(
            faults=SimpleNamespace(note=lambda what, error: self.faults.append(what))
        )
        self.wall = SimpleNamespace(patient=lambda: 1_000.0)
        self.core = SimpleNamespace(
            router=SimpleNamespace(table=table or EndpointTable()),
            registrar=object(),
            location=(),
            settings=SimpleNamespace(attempts=SimpleNamespace(first_answer=4.0)),
        )
        self.swapped: list[EndpointTable] = []
        self.swap_table = self.swapped.append

    async def settled(self) -> None:
        """Every task that was started has ended."""
        async with asyncio.timeout(10):
            while len(self.tasks):
                await asyncio.sleep(0)


class Store:
    """Answers what it is given, notes what it is asked, and fails when ``problem`` is
    set."""

    def __init__(self, **answers: object) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.problem: StoreError | None = None
        self.answers = answers

    def __getattr__(self, name: str):
        async def method(*arguments: object, **more: object):
            self.asked.append((name, *arguments, *more.values()))
            if self.problem is not None:
                raise self.problem
            answer = self.answers.get(name)
            return answer(*arguments) if callable(answer) else answer

        return method

    def calls(self, name: str) -> list[tuple[object, ...]]:
        """The arguments of every call of a method."""
        return [each[1:] for each in self.asked if each[0] == name]


async def runs(work) -> None:
    """Let an endless task of a service run its first rounds, then end it."""
    task = asyncio.get_running_loop().create_task(work)
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
