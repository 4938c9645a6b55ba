"""Pages that stay up to date: parts of one as server-sent events.

A part is sent only when it has changed, so that nothing else moves under a hand or a
screen reader.  Every few seconds we check again who follows: a stream ends with its
session, its token or its person (decision 127).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import StreamingResponse

from proxy import clock
from proxy.console.api.routing import desk_of
from proxy.console.problems import Problem, problem_of
from proxy.store.access import Role

log = structlog.get_logger()

PAUSE: Final = 1.0
QUIET: Final = 10.0
ADMIT_EVERY: Final = 5.0
"""Seconds between two looks, of silence before a comment, between two checks of who
follows."""

EACH: Final = 16
MOST: Final = 160
"""Streams that one token or person may follow, and all together: each costs us a look
every second or more often."""


class Followed:
    """How many streams are open, of one console."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()

    def begin(self, who: tuple[str, str]) -> None:
        """One more; raises Problem when there are enough."""
        if self._open[who] >= EACH or self._open.total() >= MOST:
            text = "too many pages are open at once: close some of them"
            raise Problem(429, text, headers={"Retry-After": "5"})
        self._open[who] += 1

    def end(self, who: tuple[str, str]) -> None:
        """One less."""
        self._open[who] -= 1
        if not self._open[who]:
            del self._open[who]


Parts = Callable[[], Awaitable[dict[str, str]]]
"""Makes every part of a page, by the name of its event."""


def stream(
    request: Request,
    parts: Parts,
    role: Role = "viewer",
    *,
    is_whole: bool = False,
    pause: float = PAUSE,
) -> StreamingResponse:
    """The parts as they change, until the reader goes or may not look any more.

    Who follows too many already is told to come back later.
    """
    found = _counted(request, parts, role, is_whole, pause)
    return StreamingResponse(found, media_type="text/event-stream")


async def _counted(
    request: Request, parts: Parts, role: Role, is_whole: bool, pause: float
) -> AsyncIterator[bytes]:
    followed: Followed = request.app.state.followed
    access = request.state.caller.access
    who = access.kind, access.name
    try:
        followed.begin(who)
    except Problem as problem:
        log.info("console.many_streams", who=access.name, reason=str(problem))
        # Milliseconds after which the browser tries again by itself.
        yield b"retry: 30000\n\n"
        return
    try:
        async for each in _events(request, parts, role, is_whole, pause):
            yield each
    finally:
        followed.end(who)


async def _events(
    request: Request, parts: Parts, role: Role, is_whole: bool, pause: float
) -> AsyncIterator[bytes]:
    desk = desk_of(request)
    sent: dict[str, str] = {}
    told_at = admitted_at = clock.boottime()
    yield b"retry: 2000\n\n"
    while True:
        now = clock.boottime()
        try:
            if now - admitted_at >= ADMIT_EVERY:
                await desk.admit(request, role, is_whole=is_whole)
                admitted_at = now
            made = await parts()
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.error("console.failed", path=request.url.path, exc_info=error)
                return
            if problem.status in (401, 403):
                yield event("over", "")
                return
            # The store is away just now: what was shown stays, the service goes on.
            made = {}
        for name, text in made.items():
            if sent.get(name) != text:
                sent[name] = text
                told_at = now
                yield event(name, text)
        if now - told_at > QUIET:
            told_at = now
            yield b": still here\n\n"
        await asyncio.sleep(pause)


def event(name: str, text: str) -> bytes:
    """One server-sent event; a text of several lines arrives as it was."""
    lines = "".join(f"data: {line}\n" for line in (text.splitlines() or [""]))
    return f"event: {name}\n{lines}\n".encode("utf-8", "backslashreplace")
