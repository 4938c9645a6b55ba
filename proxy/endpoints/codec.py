"""Rows of the endpoint table as plain JSON values and back.

The one form in which rows are stored, audited and printed with ``--json``.  Reading
is tolerant of missing keys, so that a row written by an older version loads.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from proxy.endpoints.model import (
    Canary,
    Cutover,
    Drain,
    Endpoint,
    Guard,
    LearnedUri,
    Pool,
    Switch,
)

Row = Endpoint | Pool | Cutover | Drain


def endpoint_to_json(endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as JSON values; ``canary`` is null where there is none."""
    canary = endpoint.canary
    return {
        "sip_address": endpoint.sip_address,
        "pool_fqdn": endpoint.pool_fqdn,
        "display_name": endpoint.display_name,
        "request_uri": endpoint.request_uri,
        "service_uris": list(endpoint.service_uris),
        "state": endpoint.state,
        "retired_text": endpoint.retired_text,
        "canary": None
        if canary is None
        else {
            "pool_fqdn": canary.pool_fqdn,
            "percent": canary.percent,
            "pilots": sorted(canary.pilots),
        },
        "created_at": endpoint.created_at,
        "changed_at": endpoint.changed_at,
    }


def endpoint_from_json(values: Mapping[str, Any]) -> Endpoint:
    """The endpoint that ``endpoint_to_json`` wrote; KeyError without an address."""
    canary = values.get("canary")
    return Endpoint(
        sip_address=values["sip_address"],
        key=values["sip_address"].partition(":")[2].lower(),
        pool_fqdn=values["pool_fqdn"],
        display_name=values.get("display_name", ""),
        request_uri=values.get("request_uri", "pool-host"),
        service_uris=tuple(values.get("service_uris", ())),
        state=values.get("state", "active"),
        retired_text=values.get("retired_text", ""),
        canary=None
        if canary is None
        else Canary(
            canary["pool_fqdn"],
            canary.get("percent", 0),
            frozenset(canary.get("pilots", ())),
        ),
        created_at=values.get("created_at", 0.0),
        changed_at=values.get("changed_at", 0.0),
    )


def pool_to_json(pool: Pool) -> dict[str, Any]:
    """A pool as JSON values; null is "auto" and "by SRV"."""
    return {"fqdn": pool.fqdn, "transport": pool.transport, "port": pool.port}


def pool_from_json(values: Mapping[str, Any]) -> Pool:
    """The pool that ``pool_to_json`` wrote."""
    return Pool(values["fqdn"], values.get("transport"), values.get("port"))


def drain_to_json(drain: Drain) -> dict[str, Any]:
    """A drained front end as JSON values."""
    return asdict(drain)


def drain_from_json(values: Mapping[str, Any]) -> Drain:
    """The drain that ``drain_to_json`` wrote; keys of a newer version are left out."""
    return Drain(**{k: v for k, v in values.items() if k in Drain.__slots__})


def learned_to_json(learned: LearnedUri) -> dict[str, Any]:
    """A learned service URI as JSON values."""
    return {
        "uri": learned.uri,
        "pool_fqdn": learned.pool_fqdn,
        "endpoint": learned.endpoint_key,
        "learned_at": learned.learned_at,
        "last_used_at": learned.last_used_at,
    }


def cutover_to_json(cutover: Cutover) -> dict[str, Any]:
    """A cutover as JSON values, its switches last."""
    return {
        "cutover": cutover.number,
        "state": cutover.state,
        "plan": cutover.plan,
        "applied_at": cutover.applied_at,
        "applied_by": cutover.applied_by,
        "confirm_by": cutover.confirm_by,
        "share": cutover.share,
        "forced": cutover.forced,
        "settled_at": cutover.settled_at,
        "settled_by": cutover.settled_by,
        "machine": cutover.machine,
        "uptime_by": cutover.uptime_by,
        "guard": None if cutover.guard is None else asdict(cutover.guard),
        "reason": cutover.reason,
        "plan_text": cutover.plan_text,
        "switches": [
            {
                "before": None
                if each.before is None
                else endpoint_to_json(each.before),
                "after": endpoint_to_json(each.after),
            }
            for each in cutover.switches
        ],
    }


def cutover_from_json(values: Mapping[str, Any]) -> Cutover:
    """The cutover that ``cutover_to_json`` wrote."""
    return Cutover(
        number=values["cutover"],
        state=values["state"],
        plan=values.get("plan", ""),
        applied_at=values.get("applied_at", 0.0),
        applied_by=values.get("applied_by", ""),
        confirm_by=values.get("confirm_by"),
        share=values.get("share", ""),
        forced=values.get("forced", False),
        settled_at=values.get("settled_at", 0.0),
        settled_by=values.get("settled_by", ""),
        machine=values.get("machine", ""),
        uptime_by=values.get("uptime_by", 0.0),
        guard=_guard(values.get("guard")),
        reason=values.get("reason", ""),
        plan_text=values.get("plan_text", ""),
        switches=tuple(
            Switch(
                None if each["before"] is None else endpoint_from_json(each["before"]),
                endpoint_from_json(each["after"]),
            )
            for each in values.get("switches", ())
        ),
    )


def _guard(values: Mapping[str, Any] | None) -> Guard | None:
    """A guard; keys of a newer version are left out."""
    if values is None:
        return None
    return Guard(**{k: v for k, v in values.items() if k in Guard.__slots__})


def row_to_json(row: Row | None) -> dict[str, Any] | None:
    """Any row of the table."""
    match row:
        case None:
            return None
        case Endpoint():
            return endpoint_to_json(row)
        case Pool():
            return pool_to_json(row)
        case Cutover():
            return cutover_to_json(row)
        case Drain():
            return drain_to_json(row)


def audit_json(row: Row | None) -> dict[str, Any] | None:
    """A row as the history keeps it: a cutover without its switches and its plan.

    The switches have audit rows of their own.
    """
    values = row_to_json(row)
    if values is not None:
        values.pop("switches", None)
        values.pop("plan_text", None)
    return values


def row_from_json(values: Mapping[str, Any] | None) -> Row | None:
    """The row that ``row_to_json`` wrote; a key that only one kind has tells which."""
    if values is None:
        return None
    if "sip_address" in values:
        return endpoint_from_json(values)
    if "cutover" in values:
        return cutover_from_json(values)
    if "front_end" in values:
        return drain_from_json(values)
    return pool_from_json(values)
