"""The wait of the event loop: our own sockets are served inside it."""

import time
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

select = pytest.importorskip("select")
if not hasattr(select, "epoll"):
    pytest.skip("epoll is Linux's", allow_module_level=True)

from proxy.net.wait import Wait  # noqa: E402


@pytest.fixture
def wait():
    made = Wait()
    made.follow(SimpleNamespace(_ready=[], _scheduled=[]))
    yield made
    made.close()


def test_a_socket_of_ours_is_served_and_the_wait_goes_on(wait, pair):
    ours, theirs = pair
    read: list[bytes] = []

    def readable():
        read.append(ours.recv(100))
        if len(read) < 3:
            theirs.send(b"%d" % len(read))
        else:
            wait._loop._ready.append("something of asyncio's")

    wait.serve(ours.fileno(), readable)
    theirs.send(b"0")
    assert wait.run(20.0) == []
    assert read == [b"0", b"1", b"2"]


def test_other_sockets_are_asyncios(wait, pair):
    ours, theirs = pair
    wait.epoll.register(ours.fileno(), select.EPOLLIN)
    theirs.send(b"x")
    ((descriptor, event),) = wait.run(20.0)
    assert (descriptor, event & select.EPOLLIN) == (ours.fileno(), select.EPOLLIN)


def test_a_socket_that_can_be_written_is_told_while_somebody_wants_to_know(wait, pair):
    ours, _theirs = pair
    told: list[str] = []

    def writable():
        told.append("writable")
        wait.change(ours.fileno(), True, False)

    wait.serve(ours.fileno(), lambda: told.append("readable"), writable)
    wait.run(0.0)
    assert told == []
    wait.change(ours.fileno(), True, True)
    wait.run(0.0)
    wait.run(0.0)
    assert told == ["writable"]


def test_a_timer_that_asyncio_gets_meanwhile_ends_the_wait(wait, pair):
    ours, theirs = pair

    def readable():
        ours.recv(100)
        wait._loop._scheduled.append("a timer")

    wait.serve(ours.fileno(), readable)
    theirs.send(b"x")
    began = time.monotonic()
    assert wait.run(20.0) == []
    assert time.monotonic() - began < 10


def test_the_alarm_rings_inside_the_wait_once(wait):
    rang: list[float] = []
    wait.alarm = lambda: rang.append(time.monotonic())
    wait.alarm_at = at = time.monotonic() + 0.02
    wait.run(0.05)
    assert len(rang) == 1 and rang[0] >= at


def test_what_raises_is_logged_and_nothing_else_stops(wait, pair):
    ours, theirs = pair

    def readable():
        ours.recv(100)
        raise ValueError("a bug")

    def ring():
        raise ValueError("another")

    wait.serve(ours.fileno(), readable)
    wait.alarm, wait.alarm_at = ring, time.monotonic() + 0.01
    theirs.send(b"x")
    with capture_logs() as said:
        wait.run(0.03)
    assert [each["event"] for each in said] == ["socket.failed", "alarm.failed"]


def test_what_is_forgotten_is_not_served(wait, pair):
    ours, theirs = pair
    wait.serve(ours.fileno(), lambda: pytest.fail("it was forgotten"))
    wait.forget(ours.fileno())
    theirs.send(b"x")
    assert wait.run(0.0) == []
