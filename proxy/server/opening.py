"""Starts the parts of one process, and notes how each is closed again.

Everything that is opened goes onto one stack, in a single process and in a worker
alike.  A start that fails closes what it has opened as a stop would: counts are saved,
and the other nodes are told that this one is gone.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from proxy.config.model import Config
from proxy.net.network import ListenOptions
from proxy.pools.resolver import Resolver
from proxy.server import wiring
from proxy.server.chat_probe.prober import ChatProber
from proxy.server.garbage import collect_garbage
from proxy.server.host.activation import adopt
from proxy.server.part import Part
from proxy.server.probes import FrontEndProber
from proxy.server.recording import begin_recording
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.server.store_side.change_log import ChangeLog
from proxy.server.store_side.cutover import Rollback, watch_cutover
from proxy.server.store_side.drains import watch_drains
from proxy.server.store_side.follow import StoreFollower
from proxy.server.store_side.guard import GuardWatch
from proxy.server.store_side.learned import forget_learned, save_learned, save_uses
from proxy.server.store_side.ledger import LedgerWriter, forget_days
from proxy.server.store_side.nodes import BEAT, Node, follow_nodes, join, leave
from proxy.server.store_side.registrar import start_registrar
from proxy.server.store_side.store_look_ups import LookUps
from proxy.server.store_side.users_left import count_users
from proxy.sip.flow import NODE_BITS, FlowTable
from proxy.store.factory import open_store
from proxy.store.interface import Store
from proxy.telemetry.access import AccessLog
from proxy.telemetry.logs import is_console
from proxy.telemetry.tally import AccessTally

if TYPE_CHECKING:
    from proxy.server.event_log.writer import EventLog


@dataclass(frozen=True, slots=True)
class Setting:
    """What a start is given.

    ``part`` is None for a single process.  ``passed`` are sockets that the service
    manager opened.  The ``event_log``, if any, records what the core takes and gives.
    """

    config: Config
    stream: TextIO
    state: ServiceState
    part: Part | None = None
    passed: Sequence[socket.socket] = ()
    event_log: EventLog | None = None

    @property
    def is_first(self) -> bool:
        """True for the process that does what is done once per node."""
        return self.part is None or self.part.is_first

    @property
    def workers(self) -> int:
        """The number of processes that share the limits of the node."""
        return 1 if self.part is None else self.part.siblings.count


@dataclass(frozen=True, slots=True)
class Started:
    """A service that runs; ``opened`` closes all of it, the last opened first."""

    store: Store
    runtime: Runtime
    opened: AsyncExitStack


async def start_service(
    setting: Setting, then: Callable[[Runtime], Awaitable[object]] | None = None
) -> Started:
    """Try to start: everything is open afterwards, or nothing.  Raises ``StartError``.

    ``then`` is awaited last, to open what needs everything else.
    """
    config, state = setting.config, setting.state
    async with AsyncExitStack() as opened:
        store = await open_store(config.store_url)
        opened.push_async_callback(store.close)
        await state.writes.begin(store)
        node = await join(store, config)
        if setting.is_first:
            opened.push_async_callback(leave, store, config)
        ledger = LedgerWriter(store, state.writes)
        opened.push_async_callback(ledger.close)
        # Take the mark before anything is loaded, so that no change is missed.
        mark = (await store.news("")).mark
        runtime = await _new_runtime(setting, store, node, opened)
        opened.push_async_callback(runtime.close)
        if config.usage.ledger:
            runtime.access.ledger = ledger
            ledger.book.cutover = lambda: newest_cutover(runtime)
            ledger.unknown.domains = frozenset(config.domains)
        begin_recording(config, runtime, setting.workers)
        runtime.asking.store = store.look_up
        await start_registrar(store, runtime, sweeps_store=setting.is_first)
        await runtime.open()
        if setting.part is not None:
            opened.callback(setting.part.start_links(runtime).close)
        if runtime.core.settings.asks_store:
            runtime.on_look_up = LookUps(store, runtime).add
        guard = _follow_others(setting, store, runtime, mark, node)
        _run_beside(setting, store, runtime, ledger)
        if setting.is_first:
            _watch_pools(setting, store, runtime, guard)
        if then is not None:
            await then(runtime)
        return Started(store, runtime, opened.pop_all())
    raise AssertionError("an exit stack swallows nothing")


async def _new_runtime(
    setting: Setting, store: Store, node: Node, opened: AsyncExitStack
) -> Runtime:
    """The proxy, before it listens."""
    config, part, state = setting.config, setting.part, setting.state
    flows = FlowTable(wiring.listeners_of(config))
    flows.origin = node.number << NODE_BITS
    if part is not None:
        part.prepare(flows, node.number)
    has_tls = any(x.transport == "tls" for x in flows.listeners)
    options = _listen_options(setting, flows, opened)
    client_tls = wiring.client_tls(config) if has_tls else None
    pool_tls = wiring.pool_tls(config) if has_tls else {}
    certificates = wiring.certificates_of(config, options, client_tls, pool_tls)
    certificates.check()
    # A cutover may have become overdue while no server ran.
    await Rollback(store, state).attempt()
    keys = wiring.route_keys(config, await store.hmac_key())
    workers = setting.workers
    runtime = Runtime(
        wiring.core_settings(config, keys, workers),
        flows,
        Resolver(
            config.dns.nameservers or None,
            {x.transport for x in flows.listeners},
            wiring.families_of(flows),
            hears_strangers=True,
        ),
        await store.load_table(),
        _access_log(setting),
        options=options,
        client_tls=client_tls,
        pool_tls=pool_tls,
        streams=wiring.stream_settings(config, workers),
        admission=wiring.admission_settings(config, workers),
        siblings=None if part is None else part.siblings,
        event_log=setting.event_log,
    )
    runtime.config = config
    runtime.certificates, runtime.writes = certificates, state.writes
    return runtime


def _listen_options(
    setting: Setting, flows: FlowTable, opened: AsyncExitStack
) -> dict[int, ListenOptions]:
    """How each listener is opened, or which open socket it takes."""
    options = wiring.listen_options(setting.config)
    if setting.part is not None:
        return setting.part.options(flows, options)
    # Take copies: a start that fails closes them, and the next try has the originals.
    copies = [each.dup() for each in setting.passed]
    for each in copies:
        opened.callback(each.close)
    return adopt(copies, flows.listeners, options)


def _follow_others(
    setting: Setting, store: Store, runtime: Runtime, mark: str, node: Node
) -> GuardWatch:
    """Follow the changes of others, and roll back cutovers that are due."""
    state, is_first = setting.state, setting.is_first
    keep = runtime.tasks.keep
    keep(StoreFollower(store, runtime, state, mark).run, "follow-store")
    # After a failure it pauses briefly: a longer silence would make us look dead.
    keep(lambda: follow_nodes(store, runtime, node, is_first), "nodes", BEAT)
    if is_first:
        keep(lambda: watch_cutover(store, runtime, state), "watch-cutover")
    guard = GuardWatch(store, runtime, state)
    runtime.access.guard = guard.book
    keep(lambda: guard.run(is_first), "watch-guard")
    return guard


def _run_beside(
    setting: Setting, store: Store, runtime: Runtime, ledger: LedgerWriter
) -> None:
    """Start the background tasks; some run only once per node."""
    is_first = setting.is_first
    save_learned(store, runtime)
    runtime.dns_news.is_quiet = not is_first
    keep = runtime.tasks.keep
    keep(runtime.certificates.watch, "watch-certificates")
    keep(ledger.run, "save-usage")
    keep(lambda: save_uses(store, runtime), "save-uses")
    keep(lambda: collect_garbage(runtime), "collect-garbage")
    keep(lambda: runtime.writes.watch(store, is_first), "watch-writes")
    if is_first:
        nodes, uri = runtime.core.router.nodes, setting.config.node_uri
        keep(ChangeLog(store, uri, lambda: nodes.leads).run, "change-log")
        keep(lambda: watch_drains(store, runtime), "watch-drains")
        keep(lambda: forget_learned(store, runtime), "forget-learned")
        keep(lambda: forget_days(store, runtime), "forget-days")
        if setting.config.usage.ledger:
            keep(lambda: count_users(store, setting.state), "count-users")


def _watch_pools(
    setting: Setting, store: Store, runtime: Runtime, guard: GuardWatch
) -> None:
    """Start the probes: of front ends that failed a call, and the chat probes of
    all."""
    config, state = setting.config, setting.state
    if config.health.probe:
        prober = FrontEndProber(runtime, config.health.probe)
        runtime.asking.next_probe = prober.next_probe
        runtime.tasks.keep(prober.run, "probes")
    chat = ChatProber(
        lambda: runtime.config.chat_probe,
        runtime,
        store,
        state.chat_probes,
        lambda: state.is_ready,
        lambda listener: wiring.own_client(config, listener),
    )
    chat.hurry, chat.on_round = guard.hurry, guard.probed
    runtime.tasks.keep(chat.run, "chat-probe")


def newest_cutover(runtime: Runtime) -> int:
    """The number of the newest cutover, 0 for none; the ledger compares the pools since
    then."""
    cutover = runtime.core.router.table.cutover
    return cutover.number if cutover is not None else 0


def _access_log(setting: Setting) -> AccessLog:
    config, stream = setting.config, setting.stream
    access = AccessLog(stream, is_console(config.log.format, stream), AccessTally())
    access.writes = config.log.access
    access.piece = select.PIPE_BUF if setting.workers > 1 else 0
    return access
