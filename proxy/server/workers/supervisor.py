"""The supervisor of a node with several workers.

It takes the signals, talks to the service manager and has the admin listener, but
carries no SIP.  An operator sees one node and commands one node, whichever worker does
the work.  A single process does not use this module.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, TextIO

import structlog

from proxy import __version__
from proxy.admin.listener.http import Page, Reply
from proxy.admin.observed.pools_once import joined_pool, joined_pools
from proxy.config.digest import digest_of
from proxy.config.model import Config
from proxy.config.packed import pack
from proxy.recorder.joined import join_calls, join_traces
from proxy.server import wiring
from proxy.server.admin_door import AdminDoor
from proxy.server.admin_pages import open_pages
from proxy.server.front_ends.seen import answer_pool
from proxy.server.host.account import object_to_root
from proxy.server.host.activation import passed_sockets
from proxy.server.host.notify import Notifier
from proxy.server.lifecycle import EXIT_CONFIG, EXIT_OK, close_all
from proxy.server.readings import log_readings, process_readings
from proxy.server.reload import ReloadSignal, needs_restart, reloaded, stop_reloading
from proxy.server.starting import StartError, Waiting, until_started
from proxy.server.state import ServiceState
from proxy.server.tasks import Tasks
from proxy.server.workers.crew import Crew
from proxy.server.workers.explained_once import joined
from proxy.server.workers.sockets import NodeSockets, open_sockets
from proxy.server.workers.totals import Snapshot
from proxy.telemetry.logs import set_up_logs
from proxy.telemetry.metrics import CONTENT_TYPE, Metrics, Reading
from proxy.telemetry.outlet import outlet_of

log = structlog.get_logger()

LOOK: Final = 0.05
"""Seconds between two looks at the open transactions while the node drains."""
STOP_PATIENCE: Final = 5.0
"""Seconds that workers have to stop before they are killed."""
_SUMMED: Final = ("conflicts", "open_transactions", "connections", "errors")


async def supervise(config: Config, stream: TextIO) -> int:
    """Serve with several workers; returns the exit code: 0 after a clean stop, 3 when
    only a person can help."""
    set_up_logs(config.log.format, config.log.level, stream)
    notifier = Notifier.from_environment(os.environ)
    state, ended = ServiceState(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    async with AsyncExitStack() as opened:
        passed = passed_sockets(os.environ)
        opened.callback(close_all, passed)
        door = AdminDoor(config, state)
        opened.push_async_callback(door.close)
        listeners = wiring.listeners_of(config)

        async def attempt() -> NodeSockets:
            return open_sockets(
                listeners,
                [each.dup() for each in passed],
                config.server.worker_count,
                config.server.worker_udp_port,
            )

        waiting = Waiting(state, notifier.waiting)
        try:
            sockets = await until_started(attempt, ended, waiting, door.show_waiting)
        except StartError as error:
            log.error("service.failed", reason=str(error))
            return EXIT_CONFIG
        if sockets is None:
            return EXIT_OK
        opened.callback(sockets.close)
        close_all(passed)
        if config.store.url.startswith("redis"):
            import proxy.store.redis.store  # noqa: F401  - once, before the forks
        node = Supervisor(config, stream, sockets, state, notifier, door)
        return await node.run(opened)


class Supervisor:
    """One node with its ``state`` and its workers, the ``crew``."""

    def __init__(
        self,
        config: Config,
        stream: TextIO,
        sockets: NodeSockets,
        state: ServiceState,
        notifier: Notifier,
        door: AdminDoor,
    ) -> None:
        self.config = config
        self.state = state
        self.crew = Crew(config, sockets, stream)
        self.crew.on_waiting = self._waits
        self.notifier = notifier
        self._door = door
        self._stream = stream
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._has_served = False

    async def run(self, opened: AsyncExitStack) -> int:
        """Serve from the first fork on; when ``opened`` is closed, all workers end.

        Returns the exit code.
        """
        for number, act in (
            (signal.SIGCHLD, self.crew.reap),
            (signal.SIGTERM, self._terminate),
            (signal.SIGINT, self._stop),
            (signal.SIGHUP, lambda: None),
        ):
            self._loop.add_signal_handler(number, act)
        opened.callback(self._stopped)
        opened.push_async_callback(self.crew.stop, STOP_PATIENCE)
        opened.push_async_callback(self._tasks.close)
        opened.push_async_callback(self._door.close)
        self.crew.start()
        if not await self.crew.is_up():
            if self.crew.failed:
                why = "a worker could not start: see above"
                log.error("service.failed", reason=why)
            return self.crew.failed
        self.state.waits_for = ""
        try:
            await until_started(
                lambda: self._door.show(self.pages()),
                self._ended,
                Waiting(self.state, self.notifier.waiting),
            )
        except StartError as error:
            log.error("service.failed", reason=str(error))
            return EXIT_CONFIG
        reload = ReloadSignal(
            self.config.path, self._take, self._tasks, self.notifier, self.state
        )
        self._loop.add_signal_handler(signal.SIGHUP, reload)
        self.state.phase = "ready"
        self._tasks.keep(self.notifier.feed_watchdog, "watchdog")
        self.notifier.tell("READY=1", "STATUS=serving")
        log.info(
            "service.started",
            version=__version__,
            listeners=[repr(x) for x in wiring.listeners_of(self.config)],
            endpoints=self.crew.endpoints,
            workers=len(self.crew.workers),
        )
        object_to_root()
        await self._ended.wait()
        self._has_served = True
        log.info("service.stopping")
        stop_reloading(self._loop)
        self.notifier.tell("STOPPING=1")
        return EXIT_OK

    def _stopped(self) -> None:
        if self._has_served:
            log.info("service.stopped")

    def _waits(self, reason: str) -> None:
        """A worker cannot start yet; it has logged the reason itself."""
        self.state.waits_for = reason
        self.notifier.waiting(reason)
        self._tasks.start(self._door.show_waiting(), "admin")

    # -- the end -------------------------------------------------------------------

    def _terminate(self) -> None:
        """SIGTERM: the first one begins to drain, the second one ends at once."""
        if self.state.phase == "draining" or not self.crew.ready:
            self._stop()
        else:
            self._tasks.start(self.drain(), "drain")

    def _stop(self) -> None:
        self._ended.set()
        self.crew.is_stopping = True
        self.crew.changed.set()

    async def drain(self) -> int:
        """Begin to drain; returns how many transactions are open."""
        if self.state.phase == "draining":
            return sum(count for _, count in await self.crew.ask("open"))
        self.state.phase = "draining"
        left = await self.crew.drain()
        limit = self.config.server.drain_seconds
        log.info("service.draining", limit=limit, transactions=left)
        self.notifier.tell("STOPPING=1", f"STATUS=draining, {left} left")
        self._tasks.start(self._wait_idle(), "wait-idle")
        return left

    async def _wait_idle(self) -> None:
        """End when no worker has an open transaction, or at the limit.

        Until then every worker stays: the kernel chooses a client's worker, so nobody
        else could serve the clients of one that ended early.
        """
        deadline = self._loop.time() + self.config.server.drain_seconds
        while left := sum(count for _, count in await self.crew.ask("open")):
            if self._loop.time() >= deadline:
                log.warning("service.drain_cut", transactions=left)
                break
            await asyncio.sleep(LOOK)
        self._stop()

    # -- reload --------------------------------------------------------------------

    async def _take(self, fresh: Config) -> None:
        await self.crew.ask("reload", config=pack(fresh))
        self.state.needs_restart = needs_restart(self.config, fresh)
        self.state.has_read(digest_of(fresh.effective()))
        # A worker forked from now on gets the changes that a reload may make, and for
        # the rest the values that its siblings still have.
        self.config = self.crew.config = reloaded(self.config, fresh)
        set_up_logs(fresh.log.format, fresh.log.level, self._stream)

    # -- pages ---------------------------------------------------------------------

    def pages(self) -> dict[str, Page]:
        """Every page of the node."""

        async def scrape() -> Reply:
            return Reply(200, await self.metrics(), CONTENT_TYPE)

        async def status() -> Reply:
            return Reply.json(await self.status())

        async def trace(query: dict[str, str]) -> Reply:
            found = await self.crew.ask("trace", query=query)
            return Reply.json(join_traces([each for _, each in found]))

        async def live(query: dict[str, str]) -> Reply:
            found = [answer for _, answer in await self.crew.ask("live", query=query)]
            problems = [x["problem"] for x in found if x["problem"]]
            is_on = any(each["is_on"] for each in found)
            return Reply.json({"is_on": is_on, "problem": "".join(problems[:1])})

        async def calls(query: dict[str, str]) -> Reply:
            found = await self.crew.ask("calls", query=query)
            return Reply.json(join_calls([each for _, each in found]))

        async def explain(words: Mapping[str, str]) -> Reply:
            found = await self.crew.ask("explain", words=dict(words))
            return joined([answer for _, answer in found])

        async def pool(query: dict[str, str]) -> Reply:
            found = await self.crew.ask("pool", query=query)
            return answer_pool(joined_pool([each for _, each in found]))

        async def begin_drain() -> Reply:
            return Reply.json({"phase": "draining", "open": await self.drain()}, 202)

        return {
            **open_pages(self.state, self.down, lambda: self.crew.store),
            "/metrics": Page(scrape),
            "/status": Page(status),
            "/explain": Page(explain, takes_query=True),
            "/pool": Page(pool, takes_query=True),
            "/drain": Page(begin_drain, "POST"),
            "/calls": Page(calls, is_private=True, takes_query=True),
            "/trace/live": Page(live, "POST", is_private=True, takes_query=True),
            "/trace": Page(trace, is_private=True, takes_query=True),
        }

    async def metrics(self) -> bytes:
        """The metrics of the node, those of the supervisor included."""
        snapshots = []
        for worker, answer in await self.crew.ask("metrics"):
            worker.shown = Snapshot.from_json(answer)
            snapshots.append(worker.shown)
        totals = self.crew.totals
        own = Snapshot.take(self._own_readings(), totals.tally([]))
        readings = totals.readings([*snapshots, own])
        tally = totals.tally(snapshots)
        return Metrics(lambda: readings, tally).exposition()

    def _own_readings(self) -> list[Reading]:
        """The figures that only the supervisor knows, and what its process costs."""
        found = [Reading(f"waypost_{name}", x) for name, x in process_readings()]
        for name, count, reason in log_readings(outlet_of(self._stream)):
            found.append(Reading(f"waypost_{name}", count, (reason,)))
        found.append(Reading("waypost_ready", self.state.is_ready))
        found.append(Reading("waypost_draining", self.state.phase == "draining"))
        pending = len(self.state.needs_restart)
        found.append(Reading("waypost_restart_pending", pending))
        found.append(Reading("waypost_worker_restarts_total", self.crew.restarts))
        return found

    def down(self) -> dict[str, str]:
        """Tasks of the supervisor and of the workers that have failed, with the
        reason."""
        return {**self._tasks.down, **self.crew.down}

    async def status(self) -> dict[str, Any]:
        """The node at a glance."""
        found = await self.crew.ask("status")
        # If any worker complains about the store, show what that one says.
        found_first = next((x for x in found if x[1]["store"] != "ok"), None)
        first: dict[str, Any] = dict((found_first or found[0])[1]) if found else {}
        first.pop("pid", None)
        for _, each in found:
            if each["chat_probe"]["front_ends"]:
                first["chat_probe"] = each["chat_probe"]
        first["pools"] = joined_pools([each["pools"] for _, each in found])
        recorders = [each["recorder"] for _, each in found if each["recorder"]]
        if recorders:
            first["recorder"] = {
                name: sum(each[name] for each in recorders) for name in recorders[0]
            }
        for name in _SUMMED:
            first[name] = sum(each[name] for _, each in found)
        # A change is in force when the last worker has it.
        first["table_version"] = min((x["table_version"] for _, x in found), default=0)
        return {
            **first,
            **self.state.serves,
            "version": __version__,
            "phase": self.state.phase,
            "up_seconds": round(self.state.age, 1),
            "needs_restart": self.state.needs_restart,
            "down": self.down(),
            "workers": [
                {
                    "worker": worker.index,
                    "pid": each["pid"],
                    "up_seconds": each["up_seconds"],
                    "open_transactions": each["open_transactions"],
                    "connections": each["connections"],
                }
                for worker, each in found
            ],
            "workers_wanted": len(self.crew.workers),
            "worker_restarts": self.crew.restarts,
        }
