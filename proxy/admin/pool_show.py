"""What DNS and the running service say about a pool: the material of ``pool show``.

DNS is asked afresh; health comes from the service, because only it makes calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.admin.control import ControlError, PoolView
from proxy.admin.listener import client
from proxy.admin.observed.asking import Told, ask_each
from proxy.admin.observed.pools_once import joined_pool
from proxy.config import Config
from proxy.pools.description import FrontEndRow, PoolDescription
from proxy.pools.front_end import Lookup
from proxy.pools.resolver import Resolver
from proxy.sip.host import host_port

UNKNOWN = "unknown"
"""The state of a front end of which no service has told."""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A pool as the running service sees it; ``problem`` is why nothing is known.

    ``front_ends`` are the rows of its page ``/pool`` (``server/front_ends/seen.py``),
    with calls and failures of the last ``minutes``.  ``panic``: all are ejected and
    tried anyway, as ``panics`` requests were.  ``error`` is why it has none,
    ``dns_stale_for`` seconds of failing DNS.  ``chat_probe`` is that of ``/status``,
    with the front ends of this pool alone.

    Of several nodes it is the worst that any of them knows; ``nodes`` has what each
    one said, ``differences`` where they do not agree, as sentences.
    """

    problem: str = ""
    error: str = ""
    dns_age: float | None = None
    dns_stale_for: float | None = None
    panic: bool = False
    panics: int = 0
    minutes: int = 0
    front_ends: tuple[dict[str, Any], ...] = ()
    chat_probe: dict[str, Any] | None = None
    nodes: tuple[dict[str, Any], ...] = ()
    differences: tuple[str, ...] = ()


def lookup_of(view: PoolView) -> Lookup:
    """What is asked of RFC 3263 to reach a pool."""
    return Lookup(view.pool.fqdn, view.pool.port, view.pool.transport)


async def resolve_pool(
    config: Config, view: PoolView
) -> tuple[PoolDescription, list[str]]:
    """Every record and front end of a pool, and the name servers that were asked.

    Raises ControlError when there is no answer at all.
    """
    transports = {listen.transport for listen in config.listen}
    resolver = Resolver(config.dns.nameservers or None, transports)
    try:
        lookup = lookup_of(view)
        await resolver.resolve(lookup)
        description = resolver.describe(lookup)
    finally:
        await resolver.close()
    if description is None:
        raise ControlError(f"DNS gave no answer about {view.pool.fqdn}: try again")
    return description, resolver.dns.nameservers


def ask_service(config: Config, fqdn: str) -> ServiceView:
    """What the running service knows of a pool, every node of it.  Never raises for
    its absence."""
    address = config.admin.address
    if address is None:
        return ServiceView("the service has no admin listener ([admin] listen)")
    try:
        told = [_checked(each) for each in ask_each(config, "/pool", {"fqdn": fqdn})]
    except client.AdminError as error:
        text = str(error)
        if text.startswith("no service answers") and not config.admin.nodes:
            text = f"no service answers at {address}"
        return ServiceView(text)
    nodes = tuple(_said(each) for each in told) if len(told) > 1 else ()
    found = joined_pool([each.value for each in told if not each.problem])
    if found is None:
        return ServiceView(told[0].problem, nodes=nodes)
    return ServiceView(
        error=found["error"],
        dns_age=found["dns_age"],
        dns_stale_for=found["dns_stale_for"],
        panic=found["panic"],
        panics=found["panics"],
        minutes=found["minutes"],
        front_ends=tuple(found["front_ends"]),
        chat_probe=found["chat_probe"],
        nodes=nodes,
        differences=tuple(_differences(nodes)),
    )


_KEYS: Final = frozenset(
    {"error", "dns_age", "dns_stale_for", "panic", "panics", "minutes", "front_ends"}
    | {"chat_probe"}
)


def _checked(told: Told) -> Told:
    """The same, and why it is of no use where it is not."""
    if told.problem:
        return told
    value = told.value
    if not isinstance(value, dict) or not value.keys() >= _KEYS:
        at = f" at {told.node}" if told.node else ""
        problem = f"what answers{at} is no Waypost of this version"
    elif not value["known"]:
        problem = "the service has no endpoint that leads to this pool"
    else:
        return told
    return replace(told, value=None, problem=problem)


def _said(told: Told) -> dict[str, Any]:
    """A node for programs."""
    rows = [] if told.problem else told.value["front_ends"]
    return {"node": told.node, "problem": told.problem, "front_ends": rows}


def _differences(nodes: Sequence[dict[str, Any]]) -> list[str]:
    """Which nodes did not say, and which front ends are not the same everywhere."""
    said = [f"without {x['node']}: {x['problem']}" for x in nodes if x["problem"]]
    answered = [each for each in nodes if not each["problem"]]
    states: dict[tuple[str, str, int], dict[str, dict[str, Any]]] = {}
    for each in answered:
        for row in each["front_ends"]:
            states.setdefault(_key(row), {})[each["node"]] = row
    for (_, address, port), rows in states.items():
        found: dict[str, list[str]] = {}
        for each in answered:
            row = rows.get(each["node"])
            state = "unknown" if row is None else row["state"]
            found.setdefault(state, []).append(each["node"])
        if len(found) > 1:
            name = next(iter(rows.values()))["name"] or host_port(address, port)
            how = "; ".join(f"{x} at {', '.join(at)}" for x, at in found.items())
            said.append(f"{name} is {how}")
    return said


def with_health(description: PoolDescription, service: ServiceView) -> PoolDescription:
    """The front ends that DNS names now, each with the state that the service saw."""
    known = {_key(row): row for row in service.front_ends}

    def judged(row: FrontEndRow) -> FrontEndRow:
        seen = known.get((row.transport, row.host, row.port))
        if seen is None:
            return replace(row, state=UNKNOWN, state_for=0.0, reason="")
        return replace(
            row,
            state=seen["state"],
            state_for=seen["state_for"],
            reason=seen["reason"],
        )

    return replace(description, front_ends=tuple(map(judged, description.front_ends)))


def gone(description: PoolDescription, service: ServiceView) -> list[dict[str, Any]]:
    """Front ends that the service tries and DNS no longer names."""
    named = {(row.transport, row.host, row.port) for row in description.front_ends}
    return [row for row in service.front_ends if _key(row) not in named]


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["transport"], row["address"], row["port"]
