"""The direct loop is used where asyncio has what it needs, and nowhere else."""

import asyncio
import sys

import pytest
from structlog.testing import capture_logs

from proxy.net import event_loop
from proxy.net.event_loop import (
    Alarm,
    DirectEventLoop,
    missing_parts,
    new_event_loop,
)
from proxy.server.host.plain_loop import tell_of_plain_loop

linux = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")


@pytest.fixture
def changed(monkeypatch):
    """An asyncio that has its timers under another name."""
    monkeypatch.setattr(event_loop, "NEEDED", ("_ready", "_timers"))


@linux
def test_this_python_has_what_the_direct_loop_needs():
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, DirectEventLoop)
        assert missing_parts(loop) == []
        with capture_logs() as said:
            tell_of_plain_loop(loop)
        assert said == []


@linux
def test_where_a_part_is_missing_asyncios_own_loop_serves_and_the_log_says_so(changed):
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        loop = runner.get_loop()
        assert not isinstance(loop, DirectEventLoop)
        with capture_logs() as said:
            tell_of_plain_loop(loop)
        (line,) = said
        assert (line["event"], line["missing"]) == ("loop.plain", ["_timers"])
        assert line["log_level"] == "warning"


def test_a_part_must_be_something_that_can_be_counted():
    class Changed:
        _ready = iter(())

    assert missing_parts(Changed()) == ["_ready", "_scheduled"]


@pytest.mark.parametrize("factory", [DirectEventLoop, asyncio.new_event_loop])
def test_an_alarm_rings_when_it_was_set_last(factory):
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_alarm_rings_once())


async def _alarm_rings_once():
    loop = asyncio.get_running_loop()
    rang = asyncio.Event()
    times: list[float] = []

    def ring():
        times.append(loop.time())
        rang.set()

    alarm = Alarm(loop, ring)
    began = loop.time()
    alarm.set(began + 60)
    alarm.set(began + 0.02)
    async with asyncio.timeout(20):
        await rang.wait()
    assert times[0] >= began + 0.02
    alarm.set(loop.time() + 0.01)
    alarm.cancel()
    await asyncio.sleep(0.05)
    assert len(times) == 1


@linux
def test_asyncio_may_name_a_socket_by_its_number_or_by_itself(pair):
    ours, theirs = pair
    theirs.send(b"x")
    with asyncio.Runner(loop_factory=DirectEventLoop) as runner:
        loop = runner.get_loop()
        read: list[str] = []

        async def turns():
            for _ in range(3):
                await asyncio.sleep(0.001)

        loop.add_reader(ours, read.append, "by itself")
        runner.run(turns())
        loop.add_reader(ours.fileno(), read.append, "by its number")
        loop.add_reader(ours, read.append, "by itself again")
        assert loop.remove_reader(ours)
        read.clear()
        runner.run(turns())
        assert read == []
        assert not loop.remove_reader(ours)
