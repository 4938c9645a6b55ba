"""Long jobs: one answer at the end, or server-sent events while they run.

A caller that sends ``Accept: text/event-stream`` gets an event ``step`` for each step,
then one ``result`` with the document that everybody else gets, or one ``problem``.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from proxy.admin.as_json import timed
from proxy.console.api.routing import Answer
from proxy.console.problems import Problem, problem_of

log = structlog.get_logger()

EVENT_STREAM: Final = "text/event-stream"
QUIET: Final = 10.0
"""Seconds without an event after which a comment keeps the connection alive."""

Tell = Callable[[str, Any], None]
"""Says how far a job is: the event's name and its value."""
Job = Callable[[Tell], Awaitable[Any]]
Told = asyncio.Queue[tuple[str, Any] | None]
"""Events that wait to be read; None is the end."""


def wants_events(request: Request) -> bool:
    """Whether the caller reads server-sent events."""
    return EVENT_STREAM in request.headers.get("accept", "")


async def answer_job(request: Request, job: Job) -> Response:
    """Run a job and answer in the way that the caller reads."""
    if not wants_events(request):
        return Answer(await job(lambda name, value: None))
    return StreamingResponse(events(job), media_type=EVENT_STREAM)


async def events(job: Job) -> AsyncIterator[bytes]:
    """The events of a job; when the caller goes, the job ends where it waits."""
    told: Told = asyncio.Queue()

    def tell(name: str, value: Any) -> None:
        told.put_nowait((name, value))

    async def run() -> None:
        try:
            tell("result", await job(tell))
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.error("console.failed", path="job", exc_info=error)
                problem = Problem(500, "a fault of ours; it is in the console's log")
            tell("problem", problem.as_json())
        finally:
            told.put_nowait(None)

    task = asyncio.ensure_future(run())
    try:
        async for each in told_events(told):
            yield each
    finally:
        task.cancel()


async def told_events(told: Told) -> AsyncIterator[bytes]:
    """The events of a queue until it holds None, and comments while it is quiet."""
    while True:
        try:
            item = await asyncio.wait_for(told.get(), QUIET)
        except TimeoutError:
            yield b": still at it\n\n"
            continue
        if item is None:
            return
        yield _event(*item)


def _event(name: str, value: Any) -> bytes:
    """One server-sent event."""
    text = json.dumps(timed(value), ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")
