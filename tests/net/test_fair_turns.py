"""Who is served when many sockets are ready at once."""

import socket

import pytest

from proxy.net.wait import Wait


class Loop:
    """What ``Wait`` looks at of an asyncio loop."""

    def __init__(self) -> None:
        self._ready: list = []
        self._scheduled: list = []


@pytest.fixture
def wait():
    wait = Wait()
    wait.follow(Loop())
    yield wait
    wait.close()


@pytest.fixture
def add(wait):
    """Serve one more socket that stays readable; ``served`` gets its name each time."""
    opened = []

    def add(source, served, name=None):
        ours, theirs = socket.socketpair()
        theirs.send(b"x")
        opened.extend((ours, theirs))
        shown = source if name is None else name
        wait.serve(ours.fileno(), lambda: served.append(shown), source=source)
        return ours.fileno()

    yield add
    for each in opened:
        each.close()


def test_one_peer_with_many_connections_does_not_take_every_turn(wait, add):
    served = []
    for _ in range(200):
        add("loud", served)
    add("quiet", served)
    for _ in range(16):
        wait.run(0.0)
    turn = served.index("quiet")
    assert turn < 80  # and not after all two hundred
    assert served.count("quiet") >= 3


def test_many_peers_are_served_alike(wait, add):
    served = []
    for number in range(60):
        add(f"peer{number}", served)
    wait.run(0.0)
    assert sorted(served) == sorted(f"peer{number}" for number in range(60))


def test_no_connection_of_the_loud_peer_waits_for_ever(wait, add):
    served = []
    for number in range(100):
        add("loud", served, number)
    for _ in range(60):
        wait.run(0.0)
    assert set(served) == set(range(100))


def test_one_without_a_source_is_always_served(wait, add):
    served = []
    for _ in range(60):
        add("loud", served)
    add("", served)
    wait.run(0.0)
    assert "" in served
