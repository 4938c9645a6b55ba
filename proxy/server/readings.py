"""Reads the value of every metric from where it is counted.

This happens at a scrape, and never on the message path.  The names are those of
``telemetry/metrics.py``.
"""

import os
from collections import Counter
from collections.abc import Iterator

from proxy import __version__, clock
from proxy.pools.front_end import FrontEnd
from proxy.server.front_ends.seen import drain_of
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState, cutover_left, was_undone
from proxy.sip.host import host_port
from proxy.telemetry.logs import repeats
from proxy.telemetry.metrics import Reading
from proxy.telemetry.outlet import Outlet

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STATES = ("healthy", "suspect", "ejected")


def read_all(runtime: Runtime, state: ServiceState) -> Iterator[Reading]:
    """Every value except those of the access tally."""
    for name, value, *labels in (
        *_service(runtime, state),
        *_messages(runtime),
        *_network(runtime),
        *_table(runtime, state),
        *_pools(runtime),
        *_chat_probes(runtime, state),
        *process_readings(),
    ):
        yield Reading(f"waypost_{name}", value, tuple(labels))


_Row = tuple[str, float] | tuple[str, float, *tuple[str, ...]]


def _service(runtime: Runtime, state: ServiceState) -> Iterator[_Row]:
    yield "info", 1, __version__
    yield "up_seconds", state.age
    yield "ready", state.is_ready
    yield "draining", state.phase == "draining"
    yield "workers", 1
    yield "worker_restarts_total", 0
    links = runtime.links
    yield "handovers_total", links.handed_over if links else 0, "message"
    yield "handovers_total", links.sent_for_siblings if links else 0, "flow"
    yield "handovers_total", links.frames_dropped if links else 0, "dropped"
    yield "nodes", 1 + len(runtime.core.router.nodes)
    yield "errors_total", runtime.errors
    yield "access_lines_total", runtime.access.written, "written"
    yield "access_lines_total", runtime.access.dropped, "dropped"
    if runtime.recorder is not None:
        yield "recorder_calls_gone_total", runtime.recorder.skipped, "skipped"
        yield "recorder_calls_gone_total", runtime.recorder.kept.evicted, "evicted"
    if runtime.hep is not None:
        yield "hep_messages_total", runtime.hep.sent, "sent"
        yield "hep_messages_total", runtime.hep.lost, "lost"
    yield "tasks_down", len(runtime.tasks.down)
    for task, count in runtime.tasks.restarts.items():
        yield "task_restarts_total", count, task
    yield from log_readings(runtime.access.outlet)
    certificates = runtime.certificates
    yield "certificate_reload_failures_total", certificates.failures
    for file, shown in certificates.shown.items():
        yield "certificate_expiry_seconds", shown.expires - clock.wall(), file


def _messages(runtime: Runtime) -> Iterator[_Row]:
    core, layer = runtime.core, runtime.core.transactions
    for method, count in core.requests.by_method.items():
        yield "requests_received_total", count, method.decode("ascii")
    yield "responses_received_total", core.responses.received
    for class_ in range(1, 7):
        sent = layer.server_side.responses_sent[class_].n
        yield "responses_sent_total", sent, f"{class_}xx"
    yield "requests_refused_total", core.refusals.count
    yield "answers_delayed_total", core.refusals.later.held
    for what, count in core.refusals.suspects.counts.items():
        yield "suspects_total", count, what
    yield "messages_malformed_total", core.malformed_received
    yield "messages_ignored_total", core.ignored
    yield "responses_stray_total", core.responses.strays
    yield "transactions_started_total", layer.server_side.started, "server"
    yield "transactions_started_total", layer.client_side.started, "client"
    yield "transactions", len(layer.server_side), "server"
    yield "transactions", len(layer.clients), "client"
    yield "searches", searches(runtime)
    yield "retransmissions_received_total", layer.retransmissions_received
    resent = layer.client_side.resent + layer.server_side.resent
    yield "retransmissions_sent_total", resent
    budget, streams = layer.budget, runtime.network.streams
    yield "requests_shed_total", budget.shed, "memory"
    yield "requests_shed_total", layer.crowded_out, "transactions"
    yield "requests_shed_total", core.overload.refused, "overload"
    yield "requests_postponed_total", core.overload.postponed
    yield "overloaded", int(core.overload.is_busy)
    yield "answers_withheld_total", budget.muted
    yield "held_bytes", budget.held, "requests"
    yield "held_bytes", streams.held, "buffers"
    yield "held_bytes_limit", budget.total, "requests"
    yield "held_bytes_limit", streams.settings.buffers, "buffers"


def searches(runtime: Runtime) -> int:
    """Requests of clients that have no final answer yet."""
    servers = runtime.core.transactions.servers.values()
    return sum(1 for each in servers if each.state in ("trying", "proceeding"))


def _network(runtime: Runtime) -> Iterator[_Row]:
    network = runtime.network
    udp, streams = network.udp.values(), network.streams
    acceptors, connector = network.acceptors, network.connector
    dropped = sum(each.datagrams_dropped for each in udp)
    yield "messages_dropped_total", dropped, "send-queue-full"
    yield "messages_dropped_total", streams.messages_dropped, "flow-closed"
    yield "datagrams_refused_total", sum(each.datagrams_refused for each in udp)
    yield "datagrams_unread_total", sum(each.unread for each in udp)
    keepalives = sum(each.keepalives for each in udp) + streams.keepalives
    yield "keepalives_received_total", keepalives
    yield "connections_accepted_total", sum(each.accepted for each in acceptors)
    for reason, count in network.admission.refused_for.items():
        yield "connections_refused_total", count, reason
    yield "handshakes_failed_total", sum(each.handshakes_failed for each in acceptors)
    yield "connections_opened_total", connector.opened
    yield "connects_failed_total", connector.failed
    yield "connections_shed_total", streams.shed, "slow-reader"
    yield "connections_shed_total", streams.timed_out, "silent"
    yield "connections_shed_total", streams.framing_errors, "framing"
    yield "connections_shed_total", streams.untrusted, "untrusted"
    yield "connections_shed_total", network.admission.gave_way, "gave-way"
    opened = connector.held
    yield "connections", len(streams.connections) - opened, "accepted"
    yield "connections", opened, "opened"
    yield "udp_flows", len(network.flows.udp_flows)
    yield "dns_queries_total", runtime.resolver.dns.queries
    yield "dns_failures_total", runtime.resolver.dns.failures
    for result, count in runtime.probes.items():
        yield "probes_total", count, result


def _table(runtime: Runtime, state: ServiceState) -> Iterator[_Row]:
    table = runtime.core.router.table
    states = Counter({"active": 0, "retired": 0})
    states.update(each.state for each in table.endpoints.values())
    for name, count in states.items():
        yield "endpoints", count, name
    yield "learned_uris", len(table.learned)
    yield "learned_uris_refused_total", runtime.core.router.uris_refused
    yield "bindings", len(runtime.core.location)
    registrar = runtime.core.registrar
    if registrar is not None:
        yield "registrations_total", registrar.registrations, "accepted"
        yield "registrations_total", registrar.refusals, "refused"
        yield "registrations_total", registrar.challenges, "challenged"
        yield "password_tries_total", registrar.gate.guesses.wrong, "wrong"
        yield "password_tries_total", registrar.gate.guesses.held, "held-back"
        yield "conflicts_total", registrar.conflicts
    yield "table_version", table.version
    writes = state.writes
    yield "store_up", not state.store_problem and not writes.problem
    yield "store_writable", not writes.problem
    yield "store_unwritable_seconds", writes.lasts or 0.0
    for kind, count in writes.dropped.items():
        yield "unsaved_dropped_total", count, kind
    yield "restart_pending", len(state.needs_restart)
    left = cutover_left(table.cutover)
    yield "cutover_pending", left is not None
    yield "cutover_left_seconds", 0.0 if left is None else max(0.0, left)
    yield "cutover_rolled_back", was_undone(table.cutover)
    yield "cutover_overdue_seconds", state.cutover_overdue
    guard = state.guard
    yield "guard_armed", guard.is_armed
    yield "guard_rolled_back", guard.has_rolled_back
    if guard.tally is not None:
        yield "guard_calls", guard.tally.served, "served"
        yield "guard_calls", guard.tally.failed, "failed"
        yield "guard_calls", guard.tally.refused, "refused"
    for pool, users in state.users_left.items():
        yield "legacy_users", users, pool
    if state.unknown_held is not None:
        rows, nameless = state.unknown_held
        yield "unknown_callers", rows
        yield "unknown_nameless", nameless
    yield "store_away_seconds", state.store_away_for or 0.0
    for result, count in runtime.look_ups.items():
        yield "look_ups_total", count, result


def _pools(runtime: Runtime) -> Iterator[_Row]:
    now = runtime.loop.time()
    for pool, lookup in runtime.pool_lookups().items():
        resolution = runtime.resolver.cached(lookup, now)
        found = [] if resolution is None else resolution.front_ends()
        addresses = {each.key for each in found}
        panics = runtime.core.next_hops.panics.get(pool, 0)
        yield "pool_panics_total", panics, pool
        yield "pool_front_ends", len(addresses), pool
        out = {
            x.key
            for x in found
            if runtime.core.health.is_out(x, now)
            or drain_of(runtime, pool, x.name, x.host, x.port)
        }
        yield "pool_front_ends_available", len(addresses - out), pool
        if resolution is not None:
            since = resolution.stale_since
            if resolution.error == "timeout":
                since = resolution.answered_at
            yield "dns_age_seconds", now - resolution.answered_at, pool
            yield "dns_stale_seconds", 0.0 if since is None else now - since, pool
        for front_end in {(x.key, x.name): x for x in found}.values():
            yield from _front_end(runtime, pool, front_end, now)


def _front_end(
    runtime: Runtime, pool: str, front_end: FrontEnd, now: float
) -> Iterator[_Row]:
    current = runtime.core.health.state_of(front_end, now).state
    _, host, port = front_end.key
    labels = _labels(pool, front_end)
    is_drained = drain_of(runtime, pool, front_end.name, host, port) is not None
    yield "front_end_drained", is_drained, *labels
    for each in _STATES:
        yield "front_end_state", current == each, *labels, each


def _labels(pool: str, front_end: FrontEnd) -> tuple[str, str, str, str]:
    """The labels of every metric of a front end: one can be joined with the other."""
    transport, host, port = front_end.key
    return pool, front_end.name or host, host_port(host, port), transport


def _chat_probes(runtime: Runtime, state: ServiceState) -> Iterator[_Row]:
    """What is not out of date; of another node's probes it knows nothing."""
    results = state.chat_probes
    for found, count in results.done.items():
        yield "chat_probes_total", count, found
    for each in results.shown(runtime.loop.time()):
        labels = _labels(each.pool, each.target)
        yield "chat_probe_success", each.is_good, *labels
        for step, seconds in each.seconds:
            yield "chat_probe_seconds", seconds, *labels, step


def log_readings(outlet: Outlet) -> Iterator[tuple[str, float, str]]:
    """What this process could not, or would not, write into its log."""
    yield "log_lines_dropped_total", outlet.dropped, "reader"
    yield "log_lines_dropped_total", repeats.held, "repeated"


def process_readings() -> Iterator[tuple[str, float]]:
    """What this process costs."""
    times = os.times()
    yield "process_cpu_seconds_total", times.user + times.system
    try:
        with open("/proc/self/statm") as file:
            yield "process_resident_bytes", int(file.read().split()[1]) * _PAGE
        yield "process_open_files", len(os.listdir("/proc/self/fd"))
    except OSError:
        return  # not Linux
