"""A worker at work: it starts as the service does, and then does what it is asked."""

import asyncio
import contextlib
import os
from typing import Any, Final, TextIO

import structlog

from proxy.config.keys import KeyFileError
from proxy.config.model import Config
from proxy.config.packed import unpack
from proxy.net.errors import NetError
from proxy.server.admin_pages import status
from proxy.server.channel import Channel, Message
from proxy.server.drain import Drain, open_transactions
from proxy.server.ledger import LedgerWriter
from proxy.server.lifecycle import EXIT_CONFIG, EXIT_OK, settle_memory, start_runtime
from proxy.server.node_totals import Snapshot
from proxy.server.nodes import leave
from proxy.server.notify import Notifier
from proxy.server.readings import read_all
from proxy.server.reload import Reloader
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.server.worker import WorkerPart
from proxy.store.factory import open_store
from proxy.store.interface import Store, StoreError
from proxy.telemetry.tally import AccessTally

log = structlog.get_logger()

BEAT: Final = 1.0
"""Seconds between two signs of life to the supervisor."""


async def serve_worker(config: Config, stream: TextIO, part: WorkerPart) -> int:
    """Serve until told to stop; 3 when it cannot start."""
    channel = await Channel.open(part.channel)
    state = ServiceState()
    store: Store | None = None
    runtime: Runtime | None = None
    try:
        store = await open_store(config.store_url)
        ledger = LedgerWriter(store)
        runtime = await start_runtime(config, store, stream, state, ledger, part)
    except (NetError, StoreError, KeyFileError) as error:
        log.error("worker.failed", worker=part.siblings.index, reason=str(error))
        if runtime is not None:
            await runtime.close()
        if store is not None:
            await store.close()
        return EXIT_CONFIG
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
    state.phase = "ready"
    channel.send({"ready": len(runtime.core.router.table.endpoints)})
    beating = asyncio.ensure_future(_beat(channel, runtime))
    try:
        await _obey(channel, runtime, state, reloader)
    finally:
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
        if runtime.links is not None:
            runtime.links.close()
        await runtime.close()
        await ledger.close()
        if part.is_first:
            await leave(store, config)
        await store.close()
        channel.close()
    return EXIT_OK


async def _beat(channel: Channel, runtime: Runtime) -> None:
    while True:
        channel.send({"beat": True, "down": runtime.tasks.down})
        await asyncio.sleep(BEAT)


async def _obey(
    channel: Channel, runtime: Runtime, state: ServiceState, reloader: Reloader
) -> None:
    """Do what the supervisor asks, until it says stop."""
    while (message := await channel.receive()) is not None:
        if message.get("ask") == "stop":
            return
        answer: Any = None  # as from a worker that is too busy
        try:
            answer = _answer(message, runtime, state, reloader)
        except Exception:
            # A question that cannot be answered must not end who carries calls.
            log.exception("worker.not_answered", question=message.get("ask"))
        channel.answer(message, answer)
    # The supervisor was killed: whoever comes next wants our addresses, and now.
    log.error("worker.orphaned")
    os._exit(1)


def _answer(
    message: Message, runtime: Runtime, state: ServiceState, reloader: Reloader
) -> Any:
    match message.get("ask"):
        case "open":
            return open_transactions(runtime.core)
        case "drain":
            state.phase, runtime.core.is_draining = "draining", True
            left = open_transactions(runtime.core)
            log.info("worker.draining", pid=os.getpid(), transactions=left)
            return left
        case "metrics":
            return _snapshot(runtime, state).to_json()
        case "status":
            return {"pid": os.getpid(), **status(runtime, state)}
        case "reload":
            return reloader.take(unpack(message["config"]))
    return True


def _snapshot(runtime: Runtime, state: ServiceState) -> Snapshot:
    runtime.access.flush()
    tally = runtime.access.tally or AccessTally()
    return Snapshot.take(read_all(runtime, state), tally)
