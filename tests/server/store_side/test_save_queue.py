"""A queue of things to save: in order, bounded, and counted when it loses one."""

import asyncio

from proxy.server.store_side.save_queue import SaveQueue
from proxy.server.store_side.store_writes import StoreWrites
from proxy.server.tasks import Tasks
from proxy.store import StoreError


class Counting:
    """A store's method that hangs, or refuses."""

    def __init__(self) -> None:
        self.saved: list[int] = []
        self.go_on = asyncio.Event()
        self.refuses = False

    async def save(self, thing: int) -> None:
        await self.go_on.wait()
        if self.refuses:
            raise StoreError("no")
        self.saved.append(thing)


async def test_notes_for_a_store_that_hangs_are_bounded_the_oldest_go() -> None:
    writes, tasks, counting = StoreWrites(), Tasks(), Counting()
    queue = SaveQueue("uri", counting.save, tasks, writes, most=10)
    for number in range(100):
        queue.add(number)
        await asyncio.sleep(0)
    assert len(queue) == 10 and len(tasks) == 1, "one after the other"
    assert writes.dropped["uri"] == 89
    counting.go_on.set()
    while len(queue) or len(tasks):
        await asyncio.sleep(0)
    assert counting.saved == [0, *range(90, 100)]
    counting.refuses = True
    queue.add(1)
    while len(tasks):
        await asyncio.sleep(0)
    assert writes.dropped["uri"] == 90 and writes.problem == "no"
