"""Handshakes wait for their turn, and nobody holds one by standing still."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.net import handshakes as module
from proxy.net.handshakes import STEPS_A_TURN, Gate, Handshakes, Turn


async def spin(turns: int = 5) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


class Peer:
    """A task that shakes hands until it is told that it is done."""

    def __init__(self, handshakes: Handshakes, network: str) -> None:
        self.turn: Turn | None = None
        self.done = asyncio.Event()
        self.task = asyncio.ensure_future(self._shake(handshakes, network))

    async def _shake(self, handshakes: Handshakes, network: str) -> None:
        turn = await handshakes.begin(network)
        self.turn = turn
        try:
            await self.done.wait()
        finally:
            handshakes.end(turn)
            self.turn = None


@pytest.fixture
async def peers() -> Callable[..., list[Peer]]:
    made: list[Peer] = []

    def make(handshakes: Handshakes, network: str, count: int = 1) -> list[Peer]:
        found = [Peer(handshakes, network) for _ in range(count)]
        made.extend(found)
        return found

    yield make
    for peer in made:
        peer.task.cancel()
    await asyncio.gather(*(x.task for x in made), return_exceptions=True)


def active(found: list[Peer]) -> int:
    return sum(1 for peer in found if peer.turn is not None)


async def test_so_many_at_a_time_and_the_others_wait(peers) -> None:
    handshakes = Handshakes(4)
    found = peers(handshakes, "a", 10)
    await spin()
    assert active(found) == 4
    for peer in found[:4]:
        peer.done.set()
    await spin()
    assert active(found) == 4
    for peer in found:
        peer.done.set()
    await asyncio.gather(*(x.task for x in found))
    assert len(handshakes) == 0 and not handshakes._waiting


async def test_a_network_has_its_share_and_others_do_not_wait_behind_it(peers) -> None:
    handshakes = Handshakes(8, 3)
    many, one = peers(handshakes, "a", 50), peers(handshakes, "b")
    await spin()
    assert (active(many), active(one)) == (3, 1)


async def test_networks_take_turns(peers) -> None:
    handshakes = Handshakes(1)
    first = peers(handshakes, "a", 20)
    await spin()
    other = peers(handshakes, "b")
    await spin()
    first[0].done.set()
    first[1].done.set()
    await spin()
    assert active(other) == 1


async def test_who_stalls_while_others_wait_gives_way(peers, monkeypatch) -> None:
    monkeypatch.setattr(module, "STALLED_AFTER", 0.05)
    monkeypatch.setattr(module, "_LOOK", 0.01)
    handshakes = Handshakes(2)
    stalled = peers(handshakes, "a", 2)
    await spin()
    await asyncio.sleep(0.1)
    assert active(stalled) == 2, "nobody waits: slow is slow"
    other = peers(handshakes, "b")
    async with asyncio.timeout(10):
        while not active(other):
            await asyncio.sleep(0.01)
    assert active(stalled) == 0


async def test_who_gives_up_waiting_leaves_nothing_behind(peers) -> None:
    handshakes = Handshakes(1)
    first, second = peers(handshakes, "a", 2)
    await spin()
    second.task.cancel()
    await spin()
    assert not handshakes._waiting
    first.done.set()
    await spin()
    assert len(handshakes) == 0


async def test_the_gate_lets_a_few_steps_through_in_each_turn() -> None:
    gate, passed = Gate(), 0

    async def step() -> None:
        nonlocal passed
        await gate.step()
        passed += 1

    tasks = [asyncio.ensure_future(step()) for _ in range(100)]
    turns = 0
    while passed < 100:
        before = passed
        await asyncio.sleep(0)
        assert passed - before <= 2 * STEPS_A_TURN
        turns += 1
        assert turns < 500
    await asyncio.gather(*tasks)
