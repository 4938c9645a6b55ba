"""What shall run for ever is begun again when it fails, and says so meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.server import tasks as module
from proxy.server.admin_pages import open_pages
from proxy.server.state import ServiceState
from proxy.server.tasks import Tasks


class Work:
    """Fails as often as it is told to, then goes on for ever."""

    def __init__(self, failures: list[BaseException]) -> None:
        self.failures = failures
        self.begun = 0

    async def run(self) -> None:
        self.begun += 1
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.Event().wait()


@pytest.fixture
async def tasks(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tasks]:
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "HOLDS_AFTER", 0.1)
    made = Tasks()
    yield made
    await made.close()


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "failure",
    [KeyError("row"), asyncio.CancelledError(), TimeoutError(), RecursionError("x")],
)
async def test_a_task_that_dies_is_begun_again(
    tasks: Tasks, failure: BaseException
) -> None:
    work = Work([failure])
    tasks.keep(work.run, "follow-store")
    await until(lambda: work.begun == 2)
    assert list(tasks.down) == ["follow-store"]
    assert tasks.restarts == {"follow-store": 1}
    await until(lambda: not tasks.down)


async def test_one_that_fails_each_time_stays_down_and_is_tried_less_often(
    tasks: Tasks,
) -> None:
    work = Work([KeyError(str(n)) for n in range(1_000)])
    tasks.keep(work.run, "save-usage")
    await until(lambda: work.begun == 2)
    for _ in range(50):
        assert "save-usage" in tasks.down
        await asyncio.sleep(0.005)
    assert work.begun < 10


async def test_one_that_has_nothing_to_do_may_end(tasks: Tasks) -> None:
    async def nothing() -> None:
        return

    await tasks.keep(nothing, "nodes")
    assert not tasks.down


async def test_the_owner_ends_it_whatever_it_is_doing(tasks: Tasks) -> None:
    steady, failing = Work([]), Work([ValueError("x")])
    tasks.keep(steady.run, "a")
    tasks.keep(failing.run, "b")
    await until(lambda: failing.begun == 1)
    await tasks.close()
    assert len(tasks) == 0


@pytest.mark.parametrize(
    ("down", "status", "line"),
    [
        ({}, 200, "ready"),
        ({"save-usage": "x"}, 200, "ready; down: save-usage"),
        ({"follow-store": "x", "nodes": "y"}, 503, "ready; down: follow-store nodes"),
    ],
)
def test_ready_says_what_is_down_and_withdraws_when_routing_may_be_wrong(
    down: dict[str, str], status: int, line: str
) -> None:
    state = ServiceState()
    state.phase = "ready"
    reply: Any = open_pages(state, lambda: down)["/ready"].handler()
    assert (reply.status, reply.body.decode()) == (status, line + "\n")
