"""A pool as the running service sees it: the page ``/pool`` and the pools of
``/status``.

Durations are seconds; instants are ISO 8601 in UTC.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from proxy.admin.listener.http import Reply
from proxy.endpoints.model import Drain
from proxy.pools.description import FrontEndRow, PoolDescription
from proxy.pools.front_end import FrontEnd
from proxy.pools.health import Transition
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.sip.flow import Transport
from proxy.telemetry.recent import MINUTES


def pool_page(
    runtime: Runtime, state: ServiceState, query: Mapping[str, str]
) -> dict[str, Any]:
    """All that is known of the pool ``fqdn``; ``known`` is False for a pool that no
    endpoint leads to."""
    fqdn = query.get("fqdn", "").lower().rstrip(".")
    lookup = runtime.pool_lookups().get(fqdn)
    chat = state.chat_probes.to_json(runtime.loop.time())
    rows = [row for row in chat["front_ends"] if row["pool"] == fqdn]
    found: dict[str, Any] = {
        "pool": fqdn,
        "known": lookup is not None,
        "error": "",
        "dns_age": None,
        "dns_stale_for": None,
        "panic": False,
        "panics": 0,
        "minutes": MINUTES,
        "front_ends": [],
        "chat_probe": {**chat, "front_ends": rows},
    }
    if lookup is None:
        return found
    runtime.access.flush()
    described = runtime.resolver.describe(lookup, health=runtime.core.health)
    found.update(_dns(described))
    if described is not None:
        rows = [
            {**_row(runtime, fqdn, row), **_details(runtime, fqdn, row)}
            for row in described.front_ends
        ]
        found.update(_panic(runtime, fqdn, rows), front_ends=rows)
    return found


def answer_pool(found: Mapping[str, Any] | None) -> Reply:
    """The page as HTTP; None when no process could answer."""
    if found is None:
        return Reply.text(503, "no worker answers: see the log")
    return Reply.json(found)


def pool_at_a_glance(runtime: Runtime, fqdn: str) -> dict[str, Any]:
    """For ``/status``: how its front ends are, and why."""
    lookup = runtime.pool_lookups()[fqdn]
    found = runtime.resolver.describe(lookup, health=runtime.core.health)
    rows = (
        [] if found is None else [_row(runtime, fqdn, row) for row in found.front_ends]
    )
    return {**_dns(found), **_panic(runtime, fqdn, rows), "front_ends": rows}


def _panic(runtime: Runtime, fqdn: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether all front ends that may be tried are ejected, so that they are tried all
    the same, and for how many requests that was so."""
    left = [row["state"] for row in rows if row["drained"] is None]
    return {
        "panic": bool(left) and all(state == "ejected" for state in left),
        "panics": runtime.core.next_hops.panics.get(fqdn, 0),
    }


def _dns(found: PoolDescription | None) -> dict[str, Any]:
    if found is None:
        return {"error": "not resolved yet", "dns_age": None, "dns_stale_for": None}
    return {
        "error": found.reason if found.error else "",
        "dns_age": round(found.age, 1),
        "dns_stale_for": found.stale_for,
    }


def drain_of(
    runtime: Runtime, pool: str, name: str, host: str, port: int
) -> Drain | None:
    """The drain that keeps new dialogs from a front end of a pool, or None."""
    wall = runtime.loop.time() + runtime.wall.offset
    for drain in runtime.core.router.table.drains:
        if drain.covers(name, host, port, pool) and not drain.has_ended(wall):
            return drain
    return None


def drained(runtime: Runtime) -> list[dict[str, Any]]:
    """Every drain of a front end, whatever its pools."""
    wall = runtime.loop.time() + runtime.wall.offset
    return [
        _drain(each)
        for each in runtime.core.router.table.drains
        if not each.has_ended(wall)
    ]


def _drain(drain: Drain) -> dict[str, Any]:
    return {
        "front_end": drain.front_end,
        "port": drain.port,
        "pool": drain.pool,
        "reason": drain.reason,
        "by": drain.drained_by,
        "since": _instant(drain.drained_at),
        "until": _instant(drain.ends_at) if drain.ends_at else None,
    }


def _row(runtime: Runtime, fqdn: str, row: FrontEndRow) -> dict[str, Any]:
    drain = drain_of(runtime, fqdn, row.name, row.host, row.port)
    return {
        "name": row.name,
        "transport": row.transport,
        "address": row.host,
        "port": row.port,
        "state": row.state,
        "reason": row.reason,
        "state_for": round(row.state_for, 1),
        "drained": None if drain is None else _drain(drain),
    }


def _details(runtime: Runtime, fqdn: str, row: FrontEndRow) -> dict[str, Any]:
    """What only ``pool show`` asks for."""
    now, wall = runtime.loop.time(), runtime.wall.offset
    front_end = front_end_of(row, fqdn)
    health = runtime.core.health.state_of(front_end, now)
    recent = runtime.access.recent.of(fqdn, (row.name, row.host), now + wall)
    probe = runtime.asking.next_probe(front_end)
    ends_at = runtime.network.connector.certificate_end(front_end.key, fqdn)
    return {
        "since": _instant(health.since + wall) if health.transitions else None,
        "ejected_for": round(row.ejected_for, 1),
        "next_probe_in": None if probe is None else round(probe, 1),
        "certificate_ends": None if ends_at is None else _instant(ends_at),
        "calls": recent.calls,
        "failed": recent.failed,
        "failed_in_dialogs": recent.failed_in_dialogs,
        "transitions": [_transition(each, wall) for each in health.transitions],
    }


def front_end_of(row: FrontEndRow, pool: str) -> FrontEnd:
    """The front end that a row is about."""
    return FrontEnd(cast(Transport, row.transport), row.host, row.port, row.name, pool)


def _transition(each: Transition, wall: float) -> dict[str, str]:
    at = _instant(each.at + wall)
    return {"at": at, "state": each.state, "reason": each.reason}


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat("T", "milliseconds")
