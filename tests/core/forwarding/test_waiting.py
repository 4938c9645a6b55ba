"""Searches that wait for a name or a connection go on together, in order."""

from proxy.core.forwarding.waiting import MOST_RELAYED, Waiting
from proxy.pools.front_end import FrontEnd, Lookup, Resolution

LOOKUP = Lookup("pool.test")
FE = FrontEnd("tcp", "10.0.1.1", 5060, "fe1.test", "pool.test")
FOUND = Resolution(LOOKUP, {}, expires=1e9)


class Search:
    """A waiter that says what it was told, or raises."""

    def __init__(self, name: str, told: list[str], breaks: bool = False) -> None:
        self.name, self.told, self.breaks = name, told, breaks
        self.waiting_for: object = None
        self.is_finished = False

    def _note(self, what: str) -> None:
        self.told.append(f"{self.name} {what}")
        if self.breaks:
            raise ZeroDivisionError

    def resolved(self, resolution: Resolution, now: float) -> None:
        self._note("resolved")

    def connected(self, front_end: FrontEnd, now: float) -> None:
        self._note("connected")

    def connect_failed(self, reason: str, detail: str, now: float) -> None:
        self._note(reason)


class World:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.waiting = Waiting(
            lambda who, what, error, now: self.failures.append((who.name, what))
        )

    def park(self, name: str, key: object, size: int = 0, **more: bool) -> Search:
        search = Search(name, self.told, **more)
        self.was_first = self.waiting.add(key, search, size)
        return search


def test_the_first_one_asks_and_all_go_on_in_order() -> None:
    world = World()
    first = world.park("a", LOOKUP)
    assert world.was_first and first.waiting_for == LOOKUP
    world.park("b", LOOKUP)
    assert not world.was_first
    world.waiting.resolved(LOOKUP, FOUND, 1.0)
    assert world.told == ["a resolved", "b resolved"]
    assert first.waiting_for is None and not world.waiting.parked


def test_one_that_raises_is_told_of_and_the_others_go_on() -> None:
    world = World()
    for key in (LOOKUP, FE.connection_key):
        world.park("bad", key, breaks=True)
        world.park("good", key)
    world.waiting.resolved(LOOKUP, FOUND, 1.0)
    world.waiting.connected(FE, 1.0)
    assert world.told == [
        "bad resolved",
        "good resolved",
        *("bad connected", "good connected"),
    ]
    assert world.failures == [("bad", "resolved"), ("bad", "connected")]


def test_a_connection_that_fails_sends_all_on_with_the_reason() -> None:
    world = World()
    world.park("a", FE.connection_key)
    world.waiting.connect_failed(FE, "refused", "fe1: refused", 1.0)
    assert world.told == ["a refused"]


def test_who_has_finished_or_waits_for_something_else_is_not_woken() -> None:
    world = World()
    world.park("done", LOOKUP).is_finished = True
    world.park("elsewhere", LOOKUP).waiting_for = "another name"
    world.waiting.resolved(LOOKUP, FOUND, 1.0)
    assert world.told == []


def test_after_the_last_has_left_the_next_to_wait_asks_again() -> None:
    world = World()
    first, second = world.park("a", LOOKUP), world.park("b", LOOKUP)
    world.waiting.leave(LOOKUP, first)
    assert world.waiting.parked[LOOKUP] == [second]
    world.waiting.leave(LOOKUP, second)
    world.waiting.leave(LOOKUP, second)  # twice is once
    world.park("c", LOOKUP)
    assert world.was_first


def test_requests_without_a_transaction_have_a_bound_in_bytes() -> None:
    world, waiting = World(), None
    waiting = world.waiting
    search = world.park("ack", LOOKUP, size=MOST_RELAYED - 10)
    assert waiting.has_room(10) and not waiting.has_room(11)
    waiting.leave(LOOKUP, search)
    assert waiting.relayed_bytes == 0 and waiting.has_room(MOST_RELAYED)
    world.park("ack", LOOKUP, size=500)
    waiting.resolved(LOOKUP, FOUND, 1.0)
    assert waiting.relayed_bytes == 0
