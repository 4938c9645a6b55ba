"""One of two nodes dies by `kill -9` under load.

Short in the suite; `make soak` runs it at the rate of the promise: 300 calls a second.
"""

import asyncio
import os
import time
from pathlib import Path

from proxy.store import open_store
from tests.chaos.callers import Caller, Pool
from tests.support.cluster import cluster

LOAD = os.environ.get("WAYPOST_SOAK_NODES", "60x3")  # calls/s x seconds
RATE, SECONDS = (int(part) for part in LOAD.split("x"))
PEER = "127.0.0.84"
CALLERS = 4
"""Sockets per node, so that each of its workers gets some."""


async def test_a_node_dies_under_load_and_the_other_carries_on(tmp_path: Path) -> None:
    pool = Pool()
    next_hop = await pool.open(PEER)
    callers: list[Caller] = []
    with cluster(tmp_path, next_hop) as found:
        first, second = (node.address for node in found.nodes)
        both = [first, second]
        for _ in range(CALLERS):
            callers += Caller(both, PEER), Caller(both[::-1], PEER)
        for caller in callers:
            await caller.open()
        acknowledged: set[str] = set()
        loads = [
            asyncio.ensure_future(load(each, RATE / len(callers))) for each in callers
        ]
        loads.append(asyncio.ensure_future(registers(callers[:2], acknowledged)))
        await asyncio.sleep(SECONDS / 2)
        found.nodes[0].kill()
        died = time.monotonic()
        for caller in callers[::2]:
            caller.is_first_dead = True
        await asyncio.gather(*loads)
        store = await open_store(found.redis.url)
        kept = {each.aor.partition("@")[0] for each in await store.bindings(None, 0.0)}
        await store.close()
        for caller in callers:
            caller.close()
        pool.close()

    survivors = [call for each in callers[1::2] for call in each.calls]
    assert len(survivors) >= RATE * SECONDS * 0.4
    assert [call for call in survivors if call.failed] == []
    of_the_dead = [call for each in callers[::2] for call in each.calls]
    orphans = [x for x in of_the_dead if 0 < x.established_at < died]
    carried = [x for x in orphans if x.ended_at > died]
    assert carried, "no dialog was open when the node died"
    assert [call for call in orphans if call.failed] == []
    # Who was just calling turns to the other node, as SRV has it, and gets through.
    assert [call for call in of_the_dead if call.failed] == []
    assert acknowledged and acknowledged <= kept
    print(
        f"{len(survivors)} calls of the survivor, slowest request "
        f"{1000 * max(x.slowest for x in survivors):.0f} ms; {len(carried)} dialogs of "
        f"the dead node carried; {len(acknowledged)} registrations acknowledged, "
        f"{len(acknowledged - kept)} lost"
    )


async def load(caller: Caller, rate: float) -> None:
    """Calls at a steady rate, each to the caller's first node."""
    loop = asyncio.get_running_loop()
    start, number, running = loop.time(), 0, []
    while loop.time() - start < SECONDS:
        number += 1
        node = caller.nodes[1 if caller.is_first_dead else 0]
        running.append(asyncio.ensure_future(caller.call(number, node)))
        await asyncio.sleep(max(0.0, start + number / rate - loop.time()))
    await asyncio.gather(*running)


async def registers(callers: list[Caller], acknowledged: set[str]) -> None:
    """One new user after the other at both nodes; who got a 200 is noted."""
    loop = asyncio.get_running_loop()
    start, number = loop.time(), 0

    async def one(caller: Caller, user: str) -> None:
        node = caller.nodes[1 if caller.is_first_dead else 0]
        if await caller.register(user, node):
            acknowledged.add(user)

    running = []
    while loop.time() - start < SECONDS:
        for caller in callers:
            number += 1
            running.append(asyncio.ensure_future(one(caller, f"user{number}")))
        await asyncio.sleep(0.05)
    await asyncio.gather(*running)
