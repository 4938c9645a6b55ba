"""What a service manager is told, over a socket as its own."""

import asyncio
import os
import socket

import pytest
from structlog.testing import capture_logs

from proxy.server.host.notify import EXTEND, Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """Its socket and the name that it gives out."""
    name = str(tmp_path / "notify")
    if request.param == "abstract":
        name = f"@waypost-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind("\0" + name[1:] if name.startswith("@") else name)
        opened.settimeout(10)
        yield opened, name


def heard(manager) -> list[str]:
    return manager[0].recv(4096).decode().split("\n")


def test_lines_arrive_together_at_a_path_or_an_abstract_name(manager):
    Notifier(manager[1]).tell("READY=1", "STATUS=serving")
    assert heard(manager) == ["READY=1", "STATUS=serving"]


def test_a_wait_asks_for_patience_and_a_reload_says_when(manager):
    notifier = Notifier(manager[1])
    notifier.waiting("the store is away")
    assert heard(manager) == [
        "STATUS=waiting: the store is away",
        f"EXTEND_TIMEOUT_USEC={EXTEND}",
    ]
    notifier.reloading()
    word, at = heard(manager)
    assert word == "RELOADING=1"
    assert int(at.removeprefix("MONOTONIC_USEC=")) > 0


def test_the_environment_is_read_once_and_children_do_not_inherit_it(manager):
    environ = {
        "NOTIFY_SOCKET": manager[1],
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    notifier = Notifier.from_environment(environ)
    assert environ == {"PATH": "/bin"}
    assert notifier.interval == 1.5, "twice as often as asked for"


@pytest.mark.parametrize(
    "watchdog",
    [
        {},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_of_ours_none_is_fed(watchdog):
    assert Notifier.from_environment(dict(watchdog)).interval == 0.0


def test_without_a_manager_nothing_is_told_and_with_one_that_is_gone_it_is_logged(
    tmp_path,
):
    with capture_logs() as said:
        Notifier().tell("READY=1")
        assert said == []
        Notifier(str(tmp_path / "none")).tell("READY=1")
    assert [each["event"] for each in said] == ["manager.not_told"]


async def test_the_watchdog_is_fed_again_and_again(manager):
    notifier = Notifier(manager[1], 0.01)
    feeding = asyncio.ensure_future(notifier.feed_watchdog())
    for _ in range(3):
        assert await asyncio.to_thread(heard, manager) == ["WATCHDOG=1"]
    feeding.cancel()
