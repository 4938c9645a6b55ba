"""The tables of ``waypost pool show``: the questions, the front ends in order, and
their health."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from proxy import clock
from proxy.admin.control import PoolView
from proxy.admin.pool_show import ServiceView, gone
from proxy.cli.screen import render
from proxy.cli.screen.chat_probe import chat_probe_rows
from proxy.cli.screen.drained import drain_line, stored
from proxy.endpoints.model import Drain
from proxy.pools.description import FrontEndRow, PoolDescription, RecordRow
from proxy.sip.host import host_port

TRANSITIONS: Final = 20
"""So many of the last changes are shown."""


def print_pool(
    view: PoolView,
    description: PoolDescription,
    servers: Sequence[str],
    service: ServiceView,
) -> None:
    """The pool, every record, every front end in the order of a request, health."""
    pool = view.pool
    render.print_properties(
        [
            ("Pool", pool.fqdn),
            ("Transport", pool.transport or "auto"),
            ("Port", str(pool.port or "by SRV records")),
            ("Endpoints", endpoints_of(view) or "none"),
            ("Asked", " ".join(servers) or "nobody"),
            ("Health", _health(service)),
            *chat_probe_rows(service.chat_probe, pool.fqdn.lower()),
        ]
    )
    if description.records:
        print()
        render.print_table(
            ("Record", "Type", "Answer", "TTL"), list(map(_record, description.records))
        )
        flaws = {(x.name, x.problem) for x in description.records if x.text}
        for name, problem in sorted(flaws):
            if problem:
                _say(f"{name} has {problem}")
    if description.front_ends:
        print()
        render.print_table(
            (
                "Order",
                "Transport",
                "Front end",
                "Address",
                "Priority",
                "Weight",
                "Share",
            ),
            list(map(_front_end, description.front_ends)),
        )
    if service.problem:  # else the service tells of those that the pool has
        for each in _drained(view, description):
            _say(drain_line(stored(each)))
    _print_health(description, service)


def endpoints_of(view: PoolView) -> str:
    """The endpoints that lead to a pool, and the cutover that may lead back to it."""
    found = [*view.endpoints]
    if view.pending_cutover is not None:
        found.append(f"(a rollback of cutover {view.pending_cutover} leads back here)")
    return " ".join(found)


def _drained(view: PoolView, description: PoolDescription) -> list[Drain]:
    """What the store says of the front ends that DNS names."""
    return [
        drain
        for drain in view.drains
        if any(
            drain.covers(row.name, row.host, row.port, view.pool.fqdn)
            for row in description.front_ends
        )
    ]


def _health(service: ServiceView) -> str:
    if service.problem:
        return f"unknown: {service.problem}, so this is DNS alone"
    if not service.front_ends:
        return f"the running service has no front end: {service.error}"
    out = sum(
        row["state"] == "ejected" or row["drained"] is not None
        for row in service.front_ends
    )
    count = len(service.front_ends)
    whose = f"{len(service.nodes)} nodes" if service.nodes else "the running service"
    said = f"{count - out} of {count} front ends in use by {whose}"
    if service.dns_stale_for is not None:
        said += f"; DNS has failed it for {render.duration(service.dns_stale_for)}"
    if service.panic:
        tried = render.count(service.panics, "request")
        said += f"; all are ejected, and tried anyway ({tried})"
    drained = sum(row["drained"] is not None for row in service.front_ends)
    return said + (f"; {drained} drained" if drained else "")


def _print_health(description: PoolDescription, service: ServiceView) -> None:
    """How each front end is; nothing when no service has told."""
    drained = {_key(row) for row in service.front_ends if row["drained"] is not None}
    rows = [
        (
            *_place(row.name, row.transport, row.host, row.port),
            _state(row, (row.transport, row.host, row.port) in drained),
            row.state_for,
            row.reason,
        )
        for row in description.front_ends
    ] + [
        (
            *_seen_at(row),
            f"{row['state']}, not in DNS",
            row["state_for"],
            row["reason"],
        )
        for row in gone(description, service)
    ]
    if service.problem or not rows:
        return
    print()
    render.print_table(
        ("Front end", "Address", "State", "For", "Because"),
        [
            (name, place, state, render.duration(since) if since else "-", why or "-")
            for name, place, state, since, why in rows
        ],
    )
    for line in (*drain_lines(service), *service.differences):
        _say(line)
    _print_calls(service)
    _print_transitions(service)


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["transport"], row["address"], row["port"]


def _state(row: FrontEndRow, is_drained: bool) -> str:
    """In one word, as ``waypost status`` has it."""
    return "drained" if is_drained and row.state == "healthy" else row.state


def drain_lines(service: ServiceView) -> list[str]:
    """Who keeps new dialogs from which front end, and until when."""
    found = {
        f"{each['front_end']}{each['port'] or ''}{each['pool']}": each
        for each in (row["drained"] for row in service.front_ends)
        if each is not None
    }
    return [drain_line(each) for each in found.values()]


def _print_calls(service: ServiceView) -> None:
    """What each front end was asked lately, and what will be looked at when."""
    print()
    render.print_table(
        ("Front end", "Address", "Calls", "Failed", "Next probe", "Certificate"),
        [
            (
                *_seen_at(row),
                str(row["calls"]),
                str(row["failed"]),
                _in(row["next_probe_in"]),
                _ends(row["certificate_ends"]),
            )
            for row in service.front_ends
        ],
        f"Calls of the last {service.minutes} min, and what comes next",
    )
    for row in service.front_ends:
        for line in _in_dialogs(row):
            _say(line)


def _say(sentence: str) -> None:
    render.print_lines(render.fitted(sentence))


def _in_dialogs(row: dict[str, Any]) -> list[str]:
    """What it failed after a call had begun well; nothing when it did not."""
    failed = row.get("failed_in_dialogs", 0)  # an older service tells none
    if not failed:
        return []
    requests = render.count(failed, "request")
    place = host_port(row["address"], row["port"])
    return [f"{row['name'] or place} failed {requests} inside dialogs"]


def _print_transitions(service: ServiceView) -> None:
    """What happened to the front ends, the newest first."""
    found = [
        (
            each["at"],
            row["name"] or row["address"],
            row["transport"],
            each["state"],
            each["reason"],
        )
        for row in service.front_ends
        for each in row["transitions"]
    ]
    newest = sorted(found, key=lambda each: each[0], reverse=True)[:TRANSITIONS]
    if not newest:
        return
    print()
    render.print_table(
        ("When", "Front end", "Transport", "Became", "Because"),
        [
            (render.instant(_seconds(at)), name, transport, state, reason or "-")
            for at, name, transport, state, reason in newest
        ],
    )


def _in(seconds: float | None) -> str:
    return "-" if seconds is None else f"in {render.duration(seconds)}"


def _ends(at: str | None) -> str:
    """Until when the certificate is good that the service was shown."""
    if at is None:
        return "-"
    left = _seconds(at) - clock.wall()
    return f"ends in {render.duration(left)}" if left > 0 else "has ended"


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def _place(name: str, transport: str, host: str, port: int) -> tuple[str, str]:
    """Name and address; one on UDP and on TCP is two, each with a health of its own."""
    return name, f"{transport}:{host_port(host, port)}"


def _seen_at(row: dict[str, Any]) -> tuple[str, str]:
    return _place(row["name"], row["transport"], row["address"], row["port"])


def _record(row: RecordRow) -> tuple[str, str, str, str]:
    answer = row.text or row.problem or "none"
    ttl = render.duration(row.ttl_left) if row.ttl_left > 0 else "-"
    return row.name, row.type, answer, ttl


def _front_end(row: FrontEndRow) -> tuple[str, ...]:
    return (
        str(row.position),
        row.transport,
        row.name,
        host_port(row.host, row.port),
        str(row.priority),
        str(row.weight),
        f"{row.share:.0%}",
    )
