"""One view of a pool out of those of the workers of a node, or out of those of nodes.

A failure below the threshold of an ejection is known to the worker that met it alone,
calls are counted where they were served, and one worker sends the probes.  What nodes
find out stays with them altogether (decision 68).
"""

from collections.abc import Sequence
from typing import Any, Final

from proxy.pools.health import HISTORY

_ORDER: Final = ("healthy", "suspect", "ejected")
_OF_STATE: Final = ("state", "reason", "state_for", "since", "ejected_for")
_OF_DNS: Final = ("error", "dns_age", "dns_stale_for", "front_ends")
_SUMS: Final = ("calls", "failed", "failed_in_dialogs")


def joined_pool(views: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The first one's, with the worst that any of them knows of each front end, and
    front ends that another one has of DNS."""
    if not views:
        return None
    first = dict(views[0])
    for view in views[1:]:
        if not first["front_ends"]:  # resolved there, and not here yet
            first.update((name, view[name]) for name in _OF_DNS if name in view)
        if view.get("chat_probe", {}).get("front_ends"):
            first["chat_probe"] = view["chat_probe"]
    known: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for view in views:
        for row in view["front_ends"]:
            known.setdefault(_key(row), []).append(row)
    first["panics"] = sum(view["panics"] for view in views)
    first["panic"] = any(view["panic"] for view in views)
    first["front_ends"] = [_joined(rows) for rows in known.values()]
    return first


def joined_pools(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The same for all pools of ``/status``."""
    views: dict[str, list[dict[str, Any]]] = {}
    for pools in found:
        for fqdn, view in pools.items():
            views.setdefault(fqdn, []).append(view)
    return {fqdn: joined_pool(each) for fqdn, each in views.items()}


def _joined(rows: list[dict[str, Any]]) -> dict[str, Any]:
    worst = max(rows, key=lambda row: _ORDER.index(row["state"]))
    row: dict[str, Any] = dict(rows[0])
    row.update((name, worst[name]) for name in _OF_STATE if name in worst)
    if "transitions" not in row:
        return row
    for name in _SUMS:
        row[name] = sum(each.get(name, 0) for each in rows)
    for name in ("next_probe_in", "certificate_ends"):
        told = [each[name] for each in rows if each[name] is not None]
        row[name] = min(told, default=None)
    # Siblings tell each other, so one change is noted by several.
    seen: dict[tuple[str, str, str], dict[str, str]] = {}
    for other in rows:
        for each in other["transitions"]:
            seen[each["at"], each["state"], each["reason"]] = each
    row["transitions"] = [seen[key] for key in sorted(seen)][-HISTORY:]
    return row


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["transport"], row["address"], row["port"]
