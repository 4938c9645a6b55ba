"""``waypost serve`` as one process, from the first signal handler to the end.

``opening.py`` starts the parts.  SIGTERM drains and then stops; SIGINT and a second
SIGTERM stop at once; SIGHUP reads the configuration again.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TextIO

import structlog

from proxy import __version__
from proxy.config.model import Config
from proxy.server.admin_door import AdminDoor
from proxy.server.admin_pages import pages
from proxy.server.drain import Drain
from proxy.server.garbage import settle_memory
from proxy.server.host.account import object_to_root
from proxy.server.host.activation import passed_sockets
from proxy.server.host.notify import Notifier
from proxy.server.host.plain_loop import tell_of_plain_loop
from proxy.server.host.threads import share_fairly
from proxy.server.opening import Setting, start_service
from proxy.server.reload import Reloader, ReloadSignal, stop_reloading
from proxy.server.runtime import Runtime
from proxy.server.starting import StartError, Waiting, until_started
from proxy.server.state import ServiceState
from proxy.telemetry.logs import set_up_logs

if TYPE_CHECKING:
    from proxy.server.event_log.writer import EventLog

log = structlog.get_logger()

EXIT_OK, EXIT_CONFIG = 0, 3


async def run(config: Config, stream: TextIO, event_log: EventLog | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code: 0 after a clean stop, 3
    when only a person can help."""
    set_up_logs(config.log.format, config.log.level, stream)
    notifier = Notifier.from_environment(os.environ)
    state = ServiceState()
    drain = Drain(state, config.server.drain_seconds, notifier)
    loop = asyncio.get_running_loop()
    tell_of_plain_loop(loop)
    loop.add_signal_handler(signal.SIGTERM, drain.terminate)
    loop.add_signal_handler(signal.SIGINT, drain.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    async with AsyncExitStack() as opened:
        passed = passed_sockets(os.environ)
        opened.callback(close_all, passed)
        door = AdminDoor(config, state)
        opened.push_async_callback(door.close)
        setting = Setting(config, stream, state, None, passed, event_log)

        def show(runtime: Runtime) -> Awaitable[object]:
            return door.show(pages(runtime, state, drain))

        try:
            started = await until_started(
                lambda: start_service(setting, show),
                drain.ended,
                Waiting(state, notifier.waiting),
                door.show_waiting,
            )
        except StartError as error:
            log.error("service.failed", reason=str(error))
            return EXIT_CONFIG
        if started is None:
            return EXIT_OK
        close_all(passed)  # a failed try would have left them for the next one
        await opened.enter_async_context(started.opened)
        # Close the pages first: they must not ask for parts that are closed.
        opened.push_async_callback(door.close)
        opened.callback(_stopping, loop, notifier)
        reloader = Reloader(config, started.runtime, drain, stream)
        _ready(started.runtime, reloader, notifier)
        await drain.ended.wait()
    log.info("service.stopped")
    return EXIT_OK


def _ready(runtime: Runtime, reloader: Reloader, notifier: Notifier) -> None:
    """Everything is open: serve, and tell the service manager and the log."""

    async def take(fresh: Config) -> None:
        reloader.take(fresh)

    path, drain = reloader.config.path, reloader.drain
    reload = ReloadSignal(path, take, runtime.tasks, notifier, drain.state)
    runtime.loop.add_signal_handler(signal.SIGHUP, reload)
    settle_memory()
    share_fairly()
    drain.runtime, drain.state.phase = runtime, "ready"
    runtime.tasks.keep(notifier.feed_watchdog, "watchdog")
    notifier.tell("READY=1", "STATUS=serving")
    log.info(
        "service.started",
        version=__version__,
        listeners=[repr(x) for x in runtime.core.flows.listeners],
        endpoints=len(runtime.core.router.table.endpoints),
    )
    object_to_root()


def _stopping(loop: asyncio.AbstractEventLoop, notifier: Notifier) -> None:
    log.info("service.stopping")
    stop_reloading(loop)
    notifier.tell("STOPPING=1")


def close_all(opened: Sequence[socket.socket]) -> None:
    """Close our copies of sockets."""
    for each in opened:
        each.close()
