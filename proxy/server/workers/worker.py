"""One worker: a whole proxy that obeys a supervisor instead of signals.

It is forked, so it shares with its siblings the loaded program, the directory in shared
memory and Python's hash seed (decision 56).  It never ends of its own accord: it drains
and stops when the supervisor says so, and exits when the supervisor is gone.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, NoReturn, TextIO

import structlog

from proxy.config.model import Config
from proxy.config.packed import unpack
from proxy.core import events
from proxy.net.event_loop import new_event_loop
from proxy.server.admin_pages import status
from proxy.server.drain import Drain, open_transactions
from proxy.server.front_ends.seen import pool_page
from proxy.server.garbage import settle_memory
from proxy.server.host.notify import Notifier
from proxy.server.host.plain_loop import tell_of_plain_loop
from proxy.server.host.threads import share_fairly
from proxy.server.lifecycle import EXIT_CONFIG, EXIT_OK
from proxy.server.opening import Setting, start_service
from proxy.server.readings import read_all
from proxy.server.recording import calls, live, trace
from proxy.server.reload import Reloader
from proxy.server.runtime import Runtime
from proxy.server.starting import StartError, Waiting, until_started
from proxy.server.state import ServiceState
from proxy.server.store_side.explained import QuestionError, explainer_of
from proxy.server.workers.channel import Channel, Message
from proxy.server.workers.part import WorkerPart
from proxy.server.workers.totals import Snapshot
from proxy.telemetry.outlet import outlet_of
from proxy.telemetry.tally import AccessTally

log = structlog.get_logger()

BEAT: Final = 1.0
"""Seconds between two signs of life to the supervisor."""


def become_worker(
    part: WorkerPart,
    serve: Callable[[WorkerPart], Coroutine[Any, Any, int]],
    stream: TextIO,
) -> NoReturn:
    """In a forked child: undo what belongs to the supervisor, serve, and exit."""
    code = 1
    try:
        _forget_signals()
        kept = [*part.sockets.all(), part.channel]
        _close_all_but({0, 1, 2, stream.fileno(), *(x.fileno() for x in kept)})
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            code = runner.run(serve(part))
    except BaseException:
        log.exception("worker.failed", worker=part.siblings.index)
    finally:
        outlet_of(stream).drain()
        # Do not return: the frames of the supervisor are still on our stack.
        os._exit(code)


def _forget_signals() -> None:
    """Ignore the signals that end or reload: a service manager or a terminal sends them
    to every process of the group, and the supervisor decides what they mean."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _close_all_but(kept: Iterable[int]) -> None:
    """Close what was inherited from the supervisor: its epoll, its admin listener, the
    sockets of the siblings.

    A duplicate descriptor here would keep a socket alive after the supervisor closes
    it.
    """
    wanted = set(kept)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number not in wanted:
            try:
                os.close(number)
            except OSError:
                continue  # the descriptor of the listing itself, closed by now


class _Beats:
    """Sends signs of life to the supervisor.

    Each one says which tasks are ``down`` and how the ``store`` is.  Both are replaced
    once the service has tasks and a state.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.down: Callable[[], Mapping[str, str]] = dict
        self.store: Callable[[], str] = lambda: "ok"

    async def run(self) -> None:
        """Send one every ``BEAT`` seconds, until cancelled."""
        while True:
            beat = {"beat": True, "down": self.down(), "store": self.store()}
            self._channel.send(beat)
            await asyncio.sleep(BEAT)


async def serve_worker(config: Config, stream: TextIO, part: WorkerPart) -> int:
    """Serve until told to stop; 3 when it cannot start without a person."""
    async with AsyncExitStack() as opened:
        channel = await Channel.open(part.channel)
        opened.callback(channel.close)
        beats = _Beats(channel)
        beating = asyncio.ensure_future(beats.run())
        opened.push_async_callback(_end, beating)
        return await _serve(config, stream, part, channel, beats)


async def _end(task: asyncio.Future[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _serve(
    config: Config, stream: TextIO, part: WorkerPart, channel: Channel, beats: _Beats
) -> int:
    state = ServiceState()
    if part.is_first:
        tell_of_plain_loop(asyncio.get_running_loop())
    ended = asyncio.Event()
    # Before this worker is ready, the supervisor can only ask it to stop.
    first = asyncio.ensure_future(channel.receive())
    first.add_done_callback(lambda _: ended.set())

    def tell(reason: str) -> None:
        channel.send({"waiting": reason})

    try:
        started = await until_started(
            lambda: start_service(Setting(config, stream, state, part)),
            ended,
            Waiting(state, tell, is_quiet=not part.is_first),
        )
    except StartError as error:
        log.error("worker.failed", worker=part.siblings.index, reason=str(error))
        first.cancel()
        return EXIT_CONFIG
    if started is None:
        return EXIT_OK
    runtime = started.runtime
    drain = Drain(state, config.server.drain_seconds, Notifier())
    reloader = Reloader(
        config,
        runtime,
        drain,
        stream,
        part.siblings.count,
        is_quiet=not part.is_first,
    )
    settle_memory()
    share_fairly()
    state.phase = "ready"
    channel.send({"ready": len(runtime.core.router.table.endpoints)})
    beats.down, beats.store = lambda: runtime.tasks.down, lambda: state.store
    async with started.opened:
        await _obey(channel, await first, runtime, state, reloader)
    return EXIT_OK


async def _obey(
    channel: Channel,
    message: Message | None,
    runtime: Runtime,
    state: ServiceState,
    reloader: Reloader,
) -> None:
    """Do what the supervisor asks, ``message`` first, until it says stop."""
    while message is not None:
        if message.get("ask") == "stop":
            return
        if message.get("ask") == "explain":
            # In a task of its own: it may wait for DNS, and other questions must not.
            runtime.tasks.start(_explain(channel, message, runtime), "explain")
            message = await channel.receive()
            continue
        answer: Any = None  # the supervisor then leaves this worker out
        try:
            answer = _answer(message, runtime, state, reloader)
        except Exception:
            # A question that cannot be answered must not end a worker with calls.
            log.exception("worker.not_answered", question=message.get("ask"))
        channel.answer(message, answer)
        message = await channel.receive()
    # The supervisor was killed.  Exit at once, so that its successor can bind our
    # addresses.
    log.error("worker.orphaned")
    os._exit(1)


async def _explain(channel: Channel, message: Message, runtime: Runtime) -> None:
    """Answer what would become of a request; {"problem"} for a malformed question."""
    answer: Any = None
    try:
        answer = await explainer_of(runtime).answer(message["words"])
    except QuestionError as error:
        answer = {"problem": str(error)}
    except Exception:
        log.exception("worker.not_answered", question="explain")
    channel.answer(message, answer)


def _answer(
    message: Message, runtime: Runtime, state: ServiceState, reloader: Reloader
) -> Any:
    match message.get("ask"):
        case "open":
            return open_transactions(runtime.core)
        case "drain":
            state.phase = "draining"
            runtime.step(events.Draining())
            left = open_transactions(runtime.core)
            log.info("worker.draining", pid=os.getpid(), transactions=left)
            return left
        case "metrics":
            return _snapshot(runtime, state).to_json()
        case "status":
            return {"pid": os.getpid(), **status(runtime, state)}
        case "pool":
            return pool_page(runtime, state, message["query"])
        case "calls":
            return calls(runtime, message["query"])
        case "live":
            return live(runtime, message["query"])
        case "trace":
            return trace(runtime, message["query"])
        case "reload":
            return reloader.take(unpack(message["config"]))
    return True


def _snapshot(runtime: Runtime, state: ServiceState) -> Snapshot:
    runtime.access.flush()
    tally = runtime.access.tally or AccessTally()
    tally.begin_at_zero(runtime.core.router.table.pools)
    return Snapshot.take(read_all(runtime, state), tally)
