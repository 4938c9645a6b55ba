"""A start that meets passing trouble waits, and says so once a minute."""

import asyncio

import pytest
from structlog.testing import capture_logs

from proxy.net.errors import NetError
from proxy.server import starting
from proxy.server.starting import TELL_EVERY, Waiting, is_passing, until_started
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError


@pytest.fixture
def clock(monkeypatch):
    """The steady clock, moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(starting.clock, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def state():
    return ServiceState()


@pytest.mark.parametrize("kind", [NetError, StoreError])
def test_an_error_says_itself_whether_it_may_pass(kind):
    assert is_passing(kind("away", is_passing=True))
    assert not is_passing(kind("wrong"))
    assert not is_passing(ValueError("a bug"))


def test_the_log_is_told_at_once_and_then_once_a_minute(clock, state):
    manager: list[str] = []
    waiting = Waiting(state, manager.append)
    with capture_logs() as said:
        for _ in range(int(TELL_EVERY) + 1):
            waiting.tell("the store is away")
            clock[0] += 1.0
        waiting.end()
    assert [each["event"] for each in said] == [
        "service.waiting",
        "service.waiting",
        "service.waited",
    ]
    assert said[1]["waited_seconds"] == TELL_EVERY
    assert len(manager) == TELL_EVERY + 1, "the manager is told each time"
    assert state.waits_for == ""


def test_a_quiet_one_tells_the_state_and_the_manager_alone(clock, state):
    waiting = Waiting(state, lambda _: None, is_quiet=True)
    with capture_logs() as said:
        waiting.tell("the port is in use")
        assert state.waits_for == "the port is in use"
        waiting.end()
    assert said == []


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(starting, "AGAIN", 0.0)


async def test_it_is_tried_until_it_works(at_once, state):
    tries: list[int] = []
    shown: list[str] = []

    async def attempt():
        tries.append(len(tries))
        if len(tries) < 3:
            raise StoreError("away", is_passing=True)
        return "started"

    async def show():
        shown.append(state.waits_for)

    waiting = Waiting(state, lambda _: None, is_quiet=True)
    ended = asyncio.Event()
    assert await until_started(attempt, ended, waiting, show) == "started"
    assert len(tries) == 3
    assert shown == ["away", "away"]
    assert state.waits_for == ""


async def test_what_a_person_must_mend_ends_it(at_once, state):
    async def attempt():
        raise NetError("a certificate is missing")

    waiting = Waiting(state, lambda _: None, is_quiet=True)
    with pytest.raises(NetError, match="certificate"):
        await until_started(attempt, asyncio.Event(), waiting)


async def test_a_stop_ends_the_wait(state):
    ended = asyncio.Event()

    async def attempt():
        ended.set()
        raise NetError("in use", is_passing=True)

    waiting = Waiting(state, lambda _: None, is_quiet=True)
    async with asyncio.timeout(20):
        assert await until_started(attempt, ended, waiting) is None
