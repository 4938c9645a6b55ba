"""The workers of a node, as their supervisor keeps them: forked, watched, replaced."""

import asyncio
import gc
import mmap
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final, TextIO

import structlog

from proxy import clock
from proxy.config.model import Config
from proxy.core.siblings.directory import DIRECTORY_BYTES, Siblings
from proxy.server.lifecycle import EXIT_CONFIG
from proxy.server.tasks import Tasks
from proxy.server.workers.channel import Channel
from proxy.server.workers.part import WorkerPart
from proxy.server.workers.sockets import NodeSockets
from proxy.server.workers.totals import Snapshot, Totals
from proxy.server.workers.worker import become_worker, serve_worker

log = structlog.get_logger()

ANSWER_IN: Final = 3.0
"""Seconds that a worker may take to answer; a slower one is left out."""
HUNG_AFTER: Final = 15.0
"""Seconds without a sign of life after which a worker is killed and replaced."""
LOOK: Final = 1.0
"""Seconds between two looks at the signs of life."""
SHORT_LIFE: Final = 5.0
"""Seconds; after two shorter lives in a row the next restart waits."""
LONGEST_PAUSE: Final = 5.0
"""Seconds that a restart may wait."""
_LIVES: Final = 0xFFF
"""Lives are counted in the 12 bits that a connection's number has for them."""


class Worker:
    """The place of one worker; when its process dies, a new one takes the place.

    ``down`` and ``store`` are what the process last said of its tasks and of the store.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.pid = 0
        self.channel: Channel | None = None
        self.is_ready = False
        self.started_at = self.beat_at = 0.0
        self.life = secrets.randbelow(_LIVES)
        self.short_lives = 0
        self.down: dict[str, str] = {}
        self.store = "ok"
        self.shown: Snapshot | None = None
        """The figures of this process that a scrape showed last."""


class Crew:
    """Forks the workers and watches them; ``changed`` is set when one comes or goes.

    ``failed`` is the exit code with which the node ends, because a worker could not
    start before all of them had ever served; else 0.
    """

    def __init__(self, config: Config, sockets: NodeSockets, stream: TextIO) -> None:
        self.config = config
        self.workers = [Worker(n) for n in range(len(sockets.workers))]
        self.totals = Totals()
        self.restarts = 0
        self.endpoints = 0
        self.failed = 0
        self.is_draining = False
        self.is_stopping = False
        self.changed = asyncio.Event()
        self.on_waiting: Callable[[str], None] = lambda _: None
        """Called with the reason why a worker cannot start yet, until all have started
        once."""
        self._sockets = sockets
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._run = secrets.randbits(24)
        self._directory = mmap.mmap(-1, DIRECTORY_BYTES)
        # Write every page, so that all of them exist before the first fork.
        self._directory.write(bytes(DIRECTORY_BYTES))
        self._was_up = False

    @property
    def ready(self) -> list[Worker]:
        """The workers that serve now."""
        return [worker for worker in self.workers if worker.is_ready]

    @property
    def store(self) -> str:
        """What the first worker that complains says of the store; "ok" if none does."""
        return next((x.store for x in self.workers if x.store != "ok"), "ok")

    @property
    def down(self) -> dict[str, str]:
        """Tasks of the supervisor and its workers that have failed, with the reason."""
        found = {**self._tasks.down}
        for worker in self.ready:
            found.update(worker.down)
        return found

    def start(self) -> None:
        """Fork all workers; call ``reap`` at SIGCHLD."""
        gc.collect()
        gc.freeze()  # workers share these pages; a collection would copy them
        for worker in self.workers:
            self._fork(worker)
        self._tasks.keep(self._look, "watch-workers")

    async def is_up(self) -> bool:
        """Wait until all workers serve; False when one cannot start."""
        while not self.failed and not self.is_stopping:
            if len(self.ready) == len(self.workers):
                self._was_up = True
                return True
            self.changed.clear()
            await self.changed.wait()
        return False

    # -- questions -----------------------------------------------------------------

    async def ask(self, question: str, **about: Any) -> list[tuple[Worker, Any]]:
        """The answers of the workers that serve; those that do not answer are left
        out."""
        asked = [x for x in self.ready if x.channel is not None]
        answers = await asyncio.gather(
            *(x.channel.ask(question, ANSWER_IN, **about) for x in asked if x.channel)
        )
        found = zip(asked, answers, strict=True)
        return [(worker, answer) for worker, answer in found if answer is not None]

    async def drain(self) -> int:
        """Let no worker take anything new; returns how many transactions are open."""
        self.is_draining = True
        return sum(count for _, count in await self.ask("drain"))

    async def stop(self, patience: float) -> None:
        """End all workers; kill those that are left after ``patience`` seconds."""
        self.is_stopping = True
        self.changed.set()
        for worker in self.workers:
            if worker.channel is not None:
                worker.channel.send({"ask": "stop", "serial": 0})
        end = self._loop.time() + patience
        while any(x.pid for x in self.workers):
            if self._loop.time() >= end:
                for worker in self.workers:
                    if worker.pid:
                        log.warning("worker.killed", worker=worker.index)
                        os.kill(worker.pid, signal.SIGKILL)
                end = self._loop.time() + patience
            await asyncio.sleep(0.01)
            self.reap()
        await self._tasks.close()

    # -- life and death --------------------------------------------------------------

    def _fork(self, worker: Worker) -> None:
        worker.life = (worker.life + 1) & _LIVES
        ours, theirs = socket.socketpair()
        siblings = Siblings(
            worker.index,
            len(self.workers),
            self._run,
            worker.life,
            memoryview(self._directory),
        )
        part = WorkerPart(
            siblings,
            self._sockets.workers[worker.index],
            self._sockets.names,
            self._sockets.outlet_ports(),
            theirs,
        )
        config, stream = self.config, self._stream
        sys.stdout.flush()
        stream.flush()
        pid = os.fork()
        if pid == 0:
            become_worker(part, lambda x: serve_worker(config, stream, x), stream)
        theirs.close()
        worker.pid = pid
        worker.is_ready = False
        worker.shown = None
        worker.down, worker.store = {}, "ok"
        worker.started_at = worker.beat_at = clock.monotonic()
        self._tasks.start(self._listen(worker, pid, ours), "worker-channel")

    async def _listen(self, worker: Worker, pid: int, end: socket.socket) -> None:
        channel = await Channel.open(end)
        if worker.pid == pid:
            worker.channel = channel
        while (message := await channel.receive()) is not None:
            if worker.channel is not channel:
                break  # the worker said this before it died: nobody to answer
            worker.beat_at = clock.monotonic()
            worker.down = message.get("down", worker.down)
            worker.store = message.get("store", worker.store)
            if "waiting" in message and not self._was_up:
                self.on_waiting(message["waiting"])
            if "ready" in message:
                self.endpoints = message["ready"]
                worker.is_ready = True
                self.changed.set()
                log.info("worker.started", worker=worker.index, pid=worker.pid)
                if self.is_draining:
                    channel.send({"ask": "drain", "serial": 0})
        channel.close()
        if worker.channel is channel:
            worker.channel = None
            worker.is_ready = False

    def reap(self) -> None:
        """SIGCHLD: see which worker has ended, and fork another in its place."""
        for worker in self.workers:
            if not worker.pid:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if pid:
                self._ended(worker, os.waitstatus_to_exitcode(status))

    def _ended(self, worker: Worker, code: int) -> None:
        pid, worker.pid = worker.pid, 0
        was_ready, worker.is_ready = worker.is_ready, False
        worker.channel = None
        self.changed.set()
        if worker.shown is not None:
            self.totals.retire(worker.shown)
            worker.shown = None
        if self.is_stopping:
            return
        if not self._was_up and not was_ready:
            self.failed = EXIT_CONFIG if code == EXIT_CONFIG else 1
            return
        lived = clock.monotonic() - worker.started_at
        worker.short_lives = worker.short_lives + 1 if lived < SHORT_LIFE else 0
        pause = 0.0
        if worker.short_lives > 1:
            pause = min(0.1 * 2.0**worker.short_lives, LONGEST_PAUSE)
        log.error(
            "worker.died",
            worker=worker.index,
            pid=pid,
            cause=f"signal {-code}" if code < 0 else f"exit code {code}",
            lived=round(lived, 1),
            restart_in=pause,
        )
        self.restarts += 1
        self._loop.call_later(pause, self._restart, worker)

    def _restart(self, worker: Worker) -> None:
        if not self.is_stopping and not worker.pid:
            self._fork(worker)

    async def _look(self) -> None:
        """Kill a worker that gives no sign of life, because its event loop hangs."""
        while True:
            before = clock.monotonic()
            await asyncio.sleep(LOOK)
            now = clock.monotonic()
            for worker in self.workers:
                if now - before > 2 * LOOK:
                    worker.beat_at = now  # the supervisor itself stood still
                elif worker.pid and now - worker.beat_at > HUNG_AFTER:
                    log.error("worker.hung", worker=worker.index, pid=worker.pid)
                    os.kill(worker.pid, signal.SIGKILL)
                    worker.beat_at = now
