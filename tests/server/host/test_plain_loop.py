"""Where asyncio's own loop serves, the log says so, and once."""

import asyncio
import sys

import pytest
from structlog.testing import capture_logs

from proxy.net.event_loop import DirectEventLoop
from proxy.server.host.plain_loop import tell_of_plain_loop

if sys.platform != "linux":
    pytest.skip("the loop of our own is Linux's", allow_module_level=True)


def told(loop: asyncio.AbstractEventLoop) -> list[str]:
    with capture_logs() as logs:
        tell_of_plain_loop(loop)
    loop.close()
    return [each["event"] for each in logs]


def test_asyncio_s_own_is_told_and_ours_is_not() -> None:
    assert told(asyncio.SelectorEventLoop()) == ["loop.plain"]
    assert told(DirectEventLoop()) == []


def test_elsewhere_it_is_the_only_one(monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert told(asyncio.SelectorEventLoop()) == []
