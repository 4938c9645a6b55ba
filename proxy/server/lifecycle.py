"""Start and stop of ``waypost serve``, and what runs beside the messages.

Start: store, table, listeners, resolver, admin listener.  Beside: follow the store,
save learned URIs.  Stop: SIGTERM drains first, SIGINT and a second SIGTERM do not;
SIGHUP reads the configuration again.
"""

import asyncio
import gc
import os
import signal
from typing import TextIO

import structlog

from proxy import __version__, clock
from proxy.config.model import Config
from proxy.core.commands import LearnUri
from proxy.net.errors import NetError
from proxy.pools.resolver import Resolver
from proxy.server import wiring
from proxy.server.activation import adopt, passed_sockets
from proxy.server.admin_pages import open_admin
from proxy.server.cutover import roll_back, watch_cutover
from proxy.server.drain import Drain
from proxy.server.ledger import LedgerWriter
from proxy.server.notify import Notifier
from proxy.server.registrar import start_registrar
from proxy.server.reload import Reloader
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.sip.errors import SipError
from proxy.sip.flow import FlowTable
from proxy.store.factory import open_store
from proxy.store.interface import Store, StoreError
from proxy.telemetry.access import AccessLog
from proxy.telemetry.logs import is_console, set_up_logs
from proxy.telemetry.tally import AccessTally

log = structlog.get_logger()

FOLLOW_STORE = 0.25
"""Seconds between two looks at the store's version: a change counts within 1 s."""
SAVE_USES = 60.0
FORGET_LEARNED = 3600.0
COLLECT_IDLE, COLLECT_BUSY = 60.0, 600.0
COLLECT_BELOW = 2_000
"""Live transactions up to which a collection takes a few milliseconds."""

EXIT_OK, EXIT_CONFIG = 0, 3


async def run(config: Config, stream: TextIO) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean stop, 3 when it cannot start."""
    set_up_logs(config.log.format, config.log.level, stream)
    notifier = Notifier.from_environment(os.environ)
    state = ServiceState()
    drain = Drain(state, config.server.drain_seconds, notifier)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, drain.terminate)
    loop.add_signal_handler(signal.SIGINT, drain.stop)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    store: Store | None = None
    runtime: Runtime | None = None
    try:
        store = await open_store(config.store_url)
        ledger = LedgerWriter(store)
        runtime = await _start(config, store, stream, state, ledger)
        admin = await open_admin(config, runtime, state, drain)
    except (NetError, StoreError) as error:
        log.error("service.failed", reason=str(error))
        if runtime is not None:
            await runtime.close()
        if store is not None:
            await store.close()
        return EXIT_CONFIG
    reloader = Reloader(config, runtime, drain, stream)
    loop.add_signal_handler(signal.SIGHUP, _reload, reloader, notifier)
    _settle_memory()
    drain.runtime, state.phase = runtime, "ready"
    runtime.tasks.start(notifier.feed_watchdog(), "watchdog")
    notifier.tell("READY=1", "STATUS=serving")
    log.info(
        "service.started",
        version=__version__,
        listeners=[repr(x) for x in runtime.core.flows.listeners],
        endpoints=len(runtime.core.router.table.endpoints),
    )
    try:
        await drain.ended.wait()
    finally:
        log.info("service.stopping")
        notifier.tell("STOPPING=1")
        if admin is not None:
            await admin.close()
        await runtime.close()
        await ledger.close()
        await store.close()
        log.info("service.stopped")
    return EXIT_OK


def _reload(reloader: Reloader, notifier: Notifier) -> None:
    notifier.reloading()
    reloader.reload()
    notifier.tell("READY=1")


async def _start(
    config: Config,
    store: Store,
    stream: TextIO,
    state: ServiceState,
    ledger: LedgerWriter,
) -> Runtime:
    flows = FlowTable(wiring.listeners_of(config))
    passed = passed_sockets(os.environ)
    resolver = Resolver(
        config.dns.nameservers or None,
        {x.transport for x in flows.listeners},
        wiring.families_of(flows),
    )
    has_tls = any(x.transport == "tls" for x in flows.listeners)
    options = wiring.listen_options(config)
    client_tls = wiring.client_tls(config) if has_tls else None
    pool_tls = wiring.pool_tls(config) if has_tls else {}
    certificates = wiring.certificates_of(config, options, client_tls, pool_tls)
    certificates.check()
    await roll_back(store)  # overdue since before we were started
    runtime = Runtime(
        wiring.core_settings(config, await store.hmac_key()),
        flows,
        resolver,
        await store.load_table(),
        _access_log(config, stream),
        options=adopt(passed, flows.listeners, options),
        client_tls=client_tls,
        pool_tls=pool_tls,
        streams=wiring.stream_settings(config),
        admission=wiring.admission_settings(config),
    )

    def learned(command: LearnUri) -> None:
        log.info(
            "uri.learned",
            uri=command.uri,
            pool=command.pool_fqdn,
            endpoint=command.endpoint_key,
        )
        runtime.tasks.start(_save_learned(store, command), "learn")

    runtime.certificates = certificates
    runtime.on_learned = learned
    if config.usage.ledger:
        runtime.access.ledger = ledger.book
    await start_registrar(store, runtime)
    await runtime.open()
    runtime.tasks.start(_follow_store(store, runtime, state), "follow-store")
    runtime.tasks.start(certificates.watch(), "watch-certificates")
    runtime.tasks.start(watch_cutover(store, runtime), "watch-cutover")
    runtime.tasks.start(ledger.run(), "save-usage")
    runtime.tasks.start(_save_uses(store, runtime), "save-uses")
    runtime.tasks.start(_collect_garbage(runtime), "collect-garbage")
    runtime.tasks.start(_forget_learned(store, config.learned.ttl), "forget-learned")
    return runtime


def _access_log(config: Config, stream: TextIO) -> AccessLog:
    access = AccessLog(stream, is_console(config.log.format, stream), AccessTally())
    access.writes = config.log.access
    return access


async def _save_learned(store: Store, command: LearnUri) -> None:
    try:
        await store.learn(
            command.uri, command.pool_fqdn, command.endpoint_key, clock.wall()
        )
    except (StoreError, SipError) as error:
        log.error("uri.not_saved", uri=command.uri, reason=str(error))


async def _follow_store(store: Store, runtime: Runtime, state: ServiceState) -> None:
    """Swap the table whenever the store has a new version."""
    version = runtime.core.router.table.version
    while True:
        await asyncio.sleep(FOLLOW_STORE)
        try:
            if await store.table_version() != version:
                table = await store.load_table()
                version = table.version
                runtime.swap_table(table)
                log.info("table.changed", version=version)
            state.store_problem = ""
        except StoreError as error:
            if not state.store_problem:
                # Requests go on by the last known table.
                log.error("store.unavailable", reason=str(error))
            state.store_problem = str(error)


async def _save_uses(store: Store, runtime: Runtime) -> None:
    """Tell the store which learned URIs were dialled, once a minute."""
    while True:
        await asyncio.sleep(SAVE_USES)
        used, runtime.used_uris = runtime.used_uris, set()
        if used:
            now = clock.wall()
            try:
                await store.touch_learned(dict.fromkeys(used, now))
            except StoreError as error:
                log.warning("store.unavailable", reason=str(error))
                runtime.used_uris |= used


async def _forget_learned(store: Store, ttl: float) -> None:
    while True:
        try:
            forgotten = await store.forget_learned(clock.wall() - ttl)
            if forgotten:
                log.info("uri.forgotten", count=forgotten)
        except StoreError as error:
            log.warning("store.unavailable", reason=str(error))
        await asyncio.sleep(FORGET_LEARNED)


def _settle_memory() -> None:
    """Take the garbage collector off the message path.

    Transactions and contexts are freed by reference counts: what ends lets go of its
    partners.  A collection would walk a hundred thousand live objects and stop the
    proxy for 50 ms, again and again (docs/performance.md).  What little forms cycles
    is collected by ``_collect_garbage``.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


async def _collect_garbage(runtime: Runtime) -> None:
    """Look for cycles when little is going on, at the latest every ten minutes."""
    waited = 0.0
    while True:
        await asyncio.sleep(COLLECT_IDLE)
        waited += COLLECT_IDLE
        if len(runtime.core.transactions) < COLLECT_BELOW or waited >= COLLECT_BUSY:
            gc.collect()
            waited = 0.0
