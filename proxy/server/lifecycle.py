"""Start and stop of ``waypost serve``, and what runs beside the messages.

Start: store, table, listeners, resolver, admin listener.  Beside: follow the store,
save learned URIs.  Stop: SIGTERM drains first, SIGINT and a second SIGTERM do not;
SIGHUP reads the configuration again.
"""

import asyncio
import os
import select
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TextIO

import structlog

from proxy import __version__
from proxy.config.model import Config
from proxy.net.network import ListenOptions
from proxy.pools.resolver import Resolver
from proxy.server import wiring
from proxy.server.admin_door import AdminDoor
from proxy.server.admin_pages import pages
from proxy.server.drain import Drain
from proxy.server.garbage import collect_garbage, settle_memory
from proxy.server.host.account import object_to_root
from proxy.server.host.activation import adopt, passed_sockets
from proxy.server.host.notify import Notifier
from proxy.server.part import Part
from proxy.server.probes import FrontEndProber
from proxy.server.recording import begin_recording
from proxy.server.reload import Reloader, ReloadSignal, stop_reloading
from proxy.server.runtime import Runtime
from proxy.server.starting import StartError, Waiting, until_started
from proxy.server.state import ServiceState
from proxy.server.store_side.cutover import Rollback, watch_cutover
from proxy.server.store_side.follow import StoreFollower
from proxy.server.store_side.learned import forget_learned, save_learned, save_uses
from proxy.server.store_side.ledger import LedgerWriter
from proxy.server.store_side.nodes import BEAT, Node, follow_nodes, join, leave
from proxy.server.store_side.registrar import start_registrar
from proxy.server.store_side.store_look_ups import LookUps
from proxy.sip.flow import NODE_BITS, FlowTable
from proxy.store.factory import open_store
from proxy.store.interface import Store
from proxy.telemetry.access import AccessLog
from proxy.telemetry.logs import is_console, set_up_logs
from proxy.telemetry.tally import AccessTally

log = structlog.get_logger()

EXIT_OK, EXIT_CONFIG = 0, 3


async def run(config: Config, stream: TextIO) -> int:
    """Serve until SIGTERM or SIGINT; 0: a clean stop, 3: a person is needed."""
    set_up_logs(config.log.format, config.log.level, stream)
    notifier = Notifier.from_environment(os.environ)
    state = ServiceState()
    drain = Drain(state, config.server.drain_seconds, notifier)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, drain.terminate)
    loop.add_signal_handler(signal.SIGINT, drain.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    door = AdminDoor(config, state)
    passed = passed_sockets(os.environ)

    def show(runtime: Runtime) -> Awaitable[object]:
        return door.show(pages(runtime, state, drain))

    try:
        started = await until_started(
            lambda: start_service(config, stream, state, None, passed, show),
            drain.ended,
            Waiting(state, notifier.waiting),
            door.show_waiting,
        )
    except StartError as error:
        log.error("service.failed", reason=str(error))
        await door.close()
        return EXIT_CONFIG
    if started is None:
        await door.close()
        return EXIT_OK
    close_all(passed)  # until here the next try might have wanted them, too
    runtime = started.runtime
    reloader = Reloader(config, runtime, drain, stream)

    async def take(fresh: Config) -> None:
        reloader.take(fresh)

    reload = ReloadSignal(config.path, take, runtime.tasks, notifier, state)
    loop.add_signal_handler(signal.SIGHUP, reload)
    settle_memory()
    drain.runtime, state.phase = runtime, "ready"
    runtime.tasks.keep(notifier.feed_watchdog, "watchdog")
    notifier.tell("READY=1", "STATUS=serving")
    _tell_started(runtime)
    try:
        await drain.ended.wait()
    finally:
        log.info("service.stopping")
        stop_reloading(loop)
        notifier.tell("STOPPING=1")
        async with started.opened:
            await door.close()
        log.info("service.stopped")
    return EXIT_OK


def _tell_started(runtime: Runtime) -> None:
    log.info(
        "service.started",
        version=__version__,
        listeners=[repr(x) for x in runtime.core.flows.listeners],
        endpoints=len(runtime.core.router.table.endpoints),
    )
    object_to_root()


def close_all(opened: Sequence[socket.socket]) -> None:
    """Close our copies of sockets."""
    for each in opened:
        each.close()


@dataclass(frozen=True, slots=True)
class Started:
    """A service that runs; ``opened`` closes all of it, the last opened first."""

    store: Store
    runtime: Runtime
    opened: AsyncExitStack


async def start_service(
    config: Config,
    stream: TextIO,
    state: ServiceState,
    part: Part | None = None,
    passed: Sequence[socket.socket] = (),
    then: Callable[[Runtime], Awaitable[object]] | None = None,
) -> Started:
    """One try: everything is open afterwards, or nothing.  Raises ``StartError``.

    ``then`` opens what comes last.  What a stop does, a start that fails does as well:
    what was counted is saved, and the other nodes hear that we are gone.
    """
    async with AsyncExitStack() as opened:
        store = await open_store(config.store_url)
        opened.push_async_callback(store.close)
        ledger = LedgerWriter(store, state.writes)
        await state.writes.begin(store)
        runtime = await start_runtime(
            config, store, stream, state, ledger, part, passed
        )
        if part is None or part.is_first:
            opened.push_async_callback(leave, store, config)
        opened.push_async_callback(ledger.close)
        opened.push_async_callback(runtime.close)
        if runtime.links is not None:
            opened.callback(runtime.links.close)
        if then is not None:
            await then(runtime)
        return Started(store, runtime, opened.pop_all())
    raise AssertionError("an exit stack swallows nothing")


async def start_runtime(
    config: Config,
    store: Store,
    stream: TextIO,
    state: ServiceState,
    ledger: LedgerWriter,
    part: Part | None = None,
    passed: Sequence[socket.socket] = (),
) -> Runtime:
    """The proxy and all that runs beside it; ``part`` when it is one of several.

    Nothing stays open when it raises.
    """
    flows = FlowTable(wiring.listeners_of(config))
    node = await join(store, config)
    flows.origin = node.number << NODE_BITS
    if part is not None:
        part.prepare(flows, node.number)
    resolver = Resolver(
        config.dns.nameservers or None,
        {x.transport for x in flows.listeners},
        wiring.families_of(flows),
    )
    has_tls = any(x.transport == "tls" for x in flows.listeners)
    options = _listen_options(config, flows, part, passed)
    client_tls = wiring.client_tls(config) if has_tls else None
    pool_tls = wiring.pool_tls(config) if has_tls else {}
    certificates = wiring.certificates_of(config, options, client_tls, pool_tls)
    certificates.check()
    await Rollback(store, state).attempt()  # overdue since before we were started
    keys = wiring.route_keys(config, await store.hmac_key())
    workers = 1 if part is None else part.siblings.count
    # Before anything is loaded: what changes meanwhile is news.
    mark = (await store.news("")).mark
    runtime = Runtime(
        wiring.core_settings(config, keys, workers),
        flows,
        resolver,
        await store.load_table(),
        _access_log(config, stream, workers),
        options=options,
        client_tls=client_tls,
        pool_tls=pool_tls,
        streams=wiring.stream_settings(config, workers),
        admission=wiring.admission_settings(config, workers),
        siblings=None if part is None else part.siblings,
    )
    runtime.certificates, runtime.writes = certificates, state.writes
    if config.usage.ledger:
        runtime.access.ledger = ledger.book
    begin_recording(config, runtime, workers)
    is_first = part is None or part.is_first
    try:
        await _open(store, runtime, part)
        _follow_others(store, runtime, state, mark, node, is_first)
        _run_beside(config, store, runtime, ledger, is_first)
    except BaseException:
        await runtime.close()
        raise
    return runtime


def _listen_options(
    config: Config,
    flows: FlowTable,
    part: Part | None,
    passed: Sequence[socket.socket],
) -> dict[int, ListenOptions]:
    """How each listener is opened, or which open socket it takes."""
    options = wiring.listen_options(config)
    if part is not None:
        return part.options(flows, options)
    return adopt([each.dup() for each in passed], flows.listeners, options)


async def _open(store: Store, runtime: Runtime, part: Part | None) -> None:
    """Load what is registered, and listen."""
    is_first = part is None or part.is_first
    await start_registrar(store, runtime, sweeps_store=is_first)
    await runtime.open()
    if part is not None:
        part.start_links(runtime)
    if runtime.core.settings.asks_store:
        runtime.on_look_up = LookUps(store, runtime).add


def _follow_others(
    store: Store,
    runtime: Runtime,
    state: ServiceState,
    mark: str,
    node: Node,
    is_first: bool,
) -> None:
    """Keep memory true to what others do."""
    keep = runtime.tasks.keep
    keep(StoreFollower(store, runtime, state, mark).run, "follow-store")
    # Paused no longer than others take to think that we are gone.
    keep(lambda: follow_nodes(store, runtime, node, is_first), "nodes", BEAT)
    if is_first:
        keep(lambda: watch_cutover(store, runtime, state), "watch-cutover")


def _run_beside(
    config: Config,
    store: Store,
    runtime: Runtime,
    ledger: LedgerWriter,
    is_first: bool,
) -> None:
    """What goes on beside the messages; some of it only once per node."""

    save_learned(store, runtime)
    runtime.dns_news.is_quiet = not is_first
    keep = runtime.tasks.keep
    keep(runtime.certificates.watch, "watch-certificates")
    keep(ledger.run, "save-usage")
    keep(lambda: save_uses(store, runtime), "save-uses")
    keep(lambda: collect_garbage(runtime), "collect-garbage")
    keep(lambda: runtime.writes.watch(store, is_first), "watch-writes")
    if is_first:
        ttl = config.learned.ttl
        keep(lambda: forget_learned(store, runtime, ttl), "forget-learned")
        if config.health.probe:
            keep(FrontEndProber(runtime, config.health.probe).run, "probes")


def _access_log(config: Config, stream: TextIO, workers: int) -> AccessLog:
    access = AccessLog(stream, is_console(config.log.format, stream), AccessTally())
    access.writes = config.log.access
    access.piece = select.PIPE_BUF if workers > 1 else 0
    return access
