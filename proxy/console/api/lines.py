"""Lines of the command, typed at another machine: ``waypost --server``.

Each verb runs here, so the rules, the sentences and the audit are the same.  GET runs
commands that only look; who may run which is said in ``cli/hosting/roles``.
"""

import asyncio
import base64
import errno
import os
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Final

import structlog
from fastapi import Query
from pydantic import Field
from starlette.responses import StreamingResponse

from proxy.admin.access.guarded_store import require, require_unscoped
from proxy.admin.control import ControlError
from proxy.console.api.routing import Api, TheCaller, TheDesk
from proxy.console.desk import Caller, Desk
from proxy.console.jobs import EVENT_STREAM, Told, told_events
from proxy.console.problems import Problem
from proxy.console.schemas.common import Taken, Text
from proxy.console.watchers import Watchers
from proxy.store import open_store

log = structlog.get_logger()

api = Api("lines")

AT_ONCE: Final = 8
QUEUED: Final = 1000
"""Events that wait for a slow reader; then the command waits."""
LOOK_AGAIN: Final = 1.0
"""Seconds after which a thread that waits for room checks that the loop still runs."""
Arguments = Annotated[
    list[str], Query(max_length=200, description="The words of the line, in order.")
]


class Terminal(Taken):
    """What sits at the other end."""

    is_input_terminal: bool = False
    is_output_terminal: bool = False
    columns: Annotated[int, Field(ge=1, le=10_000)] | None = None
    encoding: Annotated[str, Field(max_length=40, pattern="^[A-Za-z0-9_.-]+$")] = (
        "utf-8"
    )


class SentFile(Taken):
    """A file of the other end (base64), or why it cannot be read."""

    data: str | None = None
    error: Text = ""


class SentLine(Taken):
    """A line, and what it asked for when it was sent before."""

    arguments: Annotated[list[str], Field(min_length=1, max_length=1000)]
    terminal: Terminal = Terminal()
    files: dict[str, SentFile] = Field(default={}, max_length=10)
    input: str | None = None
    answers: list[Text] = Field(default=[], max_length=10)


@api.get("/lines", str, media=(EVENT_STREAM,))
async def look_by_line(
    caller: TheCaller,
    desk: TheDesk,
    argument: Arguments,
    is_input_terminal: bool = False,
    is_output_terminal: bool = False,
    columns: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    encoding: Annotated[
        str, Query(max_length=40, pattern="^[A-Za-z0-9_.-]+$")
    ] = "utf-8",
) -> StreamingResponse:
    """Run a command that only looks; its output as server-sent events."""
    terminal = Terminal(
        is_input_terminal=is_input_terminal,
        is_output_terminal=is_output_terminal,
        columns=columns,
        encoding=encoding,
    )
    line = SentLine(arguments=argument, terminal=terminal)
    return _answer(desk, caller, line, only_looks=True)


@api.post("/lines", str, media=(EVENT_STREAM,))
async def run_line(
    body: SentLine, caller: TheCaller, desk: TheDesk
) -> StreamingResponse:
    """Run a command; its output as server-sent events, ``exit`` or ``want`` last."""
    return _answer(desk, caller, body, only_looks=False)


def _answer(
    desk: Desk, caller: Caller, line: SentLine, *, only_looks: bool
) -> StreamingResponse:
    if desk.run_line is None:
        raise Problem(404, "this console runs no lines")
    files: dict[str, bytes | str] = {
        name: _decoded(each.data) if each.data is not None else each.error
        for name, each in line.files.items()
    }
    given = None if line.input is None else _decoded(line.input)
    words = {
        "arguments": line.arguments,
        "files": files,
        "input": given,
        "answers": line.answers,
        **line.terminal.model_dump(),
    }
    events = _Run(desk, caller, only_looks).events(words)
    return StreamingResponse(events, media_type=EVENT_STREAM)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise Problem(422, "a file or the input is not base64") from None


def _nobody_reads() -> BrokenPipeError:
    return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


# Not the loop's own threads: lines that stay must not hold up the rest of the console.
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="waypost-line")
_watchers = Watchers(each=2, most=AT_ONCE // 2)


class _Run:
    """One line in a thread of its own, and its events on their way."""

    def __init__(self, desk: Desk, caller: Caller, only_looks: bool) -> None:
        self._desk = desk
        self._caller = caller
        self._only_looks = only_looks
        self._loop = asyncio.get_running_loop()
        self._told: Told = asyncio.Queue(QUEUED)
        self._is_gone = False
        self._stays = False

    async def events(self, words: dict[str, Any]) -> AsyncIterator[bytes]:
        """What the other end reads; when that goes, the command ends as it prints."""
        work = self._loop.run_in_executor(_threads, self._work, words)
        try:
            async for each in told_events(self._told):
                yield each
        finally:
            self._is_gone = True
            while not self._told.empty():
                self._told.get_nowait()  # wakes a thread that waits for room
            work.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _work(self, words: dict[str, Any]) -> None:
        desk = self._desk
        assert desk.run_line is not None
        try:
            console = self._operate, self._tell, self._admit, self._stay
            desk.run_line(desk.config, *console, **words)
        except OSError as error:
            if not self._is_gone:
                log.error("console.failed", path="line", exc_info=error)
        except Exception as error:
            if self._loop.is_closed():
                return  # the process is ending: no fault of the line
            log.error("console.failed", path="line", exc_info=error)
            self._tell("err", "waypost: a fault of ours; it is in the console's log\n")
            self._tell("exit", 1)
        finally:
            if self._stays:
                _watchers.end(self._caller.access)
            with suppress(BrokenPipeError):
                self._put(None)

    def _tell(self, name: str, value: Any) -> None:
        if isinstance(value, dict) and isinstance(value.get("data"), bytes):
            value = {**value, "data": base64.b64encode(value["data"]).decode()}
        if self._is_gone:
            raise _nobody_reads()
        if value != "":
            self._put((name, value))

    def _put(self, item: tuple[str, Any] | None) -> None:
        """Wait for room in the queue; raises BrokenPipeError when nobody reads it."""
        told = self._told.put(item)
        try:
            put = asyncio.run_coroutine_threadsafe(told, self._loop)
            while not self._is_put(put):
                continue
        except (RuntimeError, CancelledError):  # the console is at its end
            told.close()
            raise _nobody_reads() from None

    def _is_put(self, put: "Future[None]") -> bool:
        try:
            put.result(LOOK_AGAIN)
        except TimeoutError:
            if self._loop.is_closed():  # then nothing will take the item
                raise CancelledError from None
            return False
        return True

    def _admit(self, role: str, is_whole: bool) -> None:
        """Refuse what the caller may not do; raises ControlError.

        By GET we admit only looks: a stranger's page can make a browser send a GET.
        """
        if self._only_looks and role != "viewer":
            raise ControlError("that changes something: send it with POST")
        require(self._caller.access, role)  # type: ignore[arg-type]
        if is_whole or role == "admin":
            require_unscoped(self._caller.access)

    def _stay(self) -> None:
        if not self._stays:
            _watchers.begin(self._caller.access)
            self._stays = True

    async def _operate(self, work: Any) -> Any:
        """Run ``work`` with a store of its own: ours belongs to another thread."""
        store = await open_store(self._desk.config.store_url)
        caller = self._caller
        if self._only_looks:
            # Whatever the line turns out to be, by GET it can do no more than look.
            caller = replace(caller, access=replace(caller.access, role="viewer"))
        try:
            return await work(await self._desk.operator(caller, store=store))
        finally:
            await store.close()
