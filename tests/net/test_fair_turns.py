"""Who is served when many sockets are ready at once."""

import asyncio
import socket
import time

import pytest

from proxy.net.plain_transport import PlainTransport
from proxy.net.wait import LONGEST, SLICE, Wait


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

    def add(source, served, name=None, costs=0.0):
        ours, theirs = socket.socketpair()
        theirs.send(b"x")
        opened.extend((ours, theirs))
        shown = source if name is None else name

        def readable():
            served.append(shown)
            spin(costs)

        wait.serve(ours.fileno(), readable, source=source)
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


def spin(seconds):
    """What a message costs."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_crowd_of_many_sources_is_interrupted_for_those_without_one(wait, add):
    served = []
    for number in range(40):
        add(f"peer{number}", served, costs=1.1 * SLICE)
    add("", served, "server")
    wait.run(0.0)
    strangers = [place for place, name in enumerate(served) if name != "server"]
    assert served[0] == "server"
    assert all(served[place + 1] == "server" for place in strangers)
    # The others wait for the next turn.
    assert 1 <= len(strangers) <= LONGEST / SLICE


def test_those_that_had_to_wait_come_first_in_the_next_turn(wait, add):
    served = []
    for number in range(40):
        add(f"peer{number}", served, costs=1.1 * SLICE)
    while len(served) < 40:
        before = len(served)
        wait.run(0.0)
        assert len(served) > before
    assert len(set(served[:40])) == 40


def test_a_crowd_is_left_when_asyncio_has_something_to_do(wait, add):
    served = []
    for number in range(40):
        add(f"peer{number}", served, costs=1.1 * SLICE)
    wait._loop._ready.append("something of asyncio's")
    wait.run(20.0)
    assert len(served) == 1


def test_a_crowd_is_left_when_the_alarm_is_due(wait, add):
    served = []
    for number in range(40):
        add(f"peer{number}", served, costs=1.1 * SLICE)
    wait.alarm = lambda: served.append("alarm")
    wait.alarm_at = time.monotonic() + 1.5 * SLICE
    wait.run(0.0)
    assert "alarm" in served[:4]


def test_one_without_a_source_is_told_that_it_can_write_in_the_midst_of_a_crowd(
    wait, add
):
    served = []
    for number in range(20):
        add(f"peer{number}", served, costs=1.1 * SLICE)
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def writable():
            served.append("writable")
            wait.change(ours.fileno(), True, False)

        wait.serve(ours.fileno(), lambda: None, writable)
        wait.change(ours.fileno(), True, True)
        wait.run(0.0)
        wait.forget(ours.fileno())
    assert served.count("writable") == 1


async def test_a_server_of_ours_has_no_source_and_an_ipv6_peer_that_of_its_64(wait):
    class Peer:
        comes_first = False

        def __init__(self, opened, host):
            self.opened, self.host = opened, host

        def __getattr__(self, name):
            return getattr(self.opened, name)

        def getpeername(self):
            return self.host, 5060

        def connection_made(self, transport):
            pass

    async def source_of(host, is_server=False):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            peer = Peer(ours, host)
            peer.comes_first = is_server
            loop = asyncio.get_running_loop()
            PlainTransport(loop, wait, peer, peer).start()
            source = wait._sources.get(ours.fileno())
            wait.forget(ours.fileno())
            return source

    assert await source_of("10.1.2.3") == "10.1.2.3"
    first, second = await source_of("2001:db8::1"), await source_of("2001:db8::2")
    assert first == second != await source_of("2001:db8:1::1")
    assert await source_of("10.1.2.3", is_server=True) is None
