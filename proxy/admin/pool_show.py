"""What DNS and the running service say about a pool: the material of ``pool show``.

DNS is asked afresh; health comes from the service, because only it makes calls.
"""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from proxy.admin.control import ControlError, PoolView
from proxy.admin.listener import client
from proxy.config import Config
from proxy.pools.description import FrontEndRow, PoolDescription
from proxy.pools.front_end import Lookup
from proxy.pools.resolver import Resolver

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
    """What the running service knows of a pool.  Never raises for its absence."""
    address = config.admin.address
    if address is None:
        return ServiceView("the service has no admin listener ([admin] listen)")
    path = f"/pool?{urlencode({'fqdn': fqdn})}"
    try:
        found = client.call_json(config, "GET", path)
        if not found["known"]:
            return ServiceView("the service has no endpoint that leads to this pool")
        return ServiceView(
            error=found["error"],
            dns_age=found["dns_age"],
            dns_stale_for=found["dns_stale_for"],
            panic=found["panic"],
            panics=found["panics"],
            minutes=found["minutes"],
            front_ends=tuple(found["front_ends"]),
            chat_probe=found["chat_probe"],
        )
    except client.AdminError as error:
        text = str(error)
        if text.startswith("no service answers"):
            text = f"no service answers at {address}"
        return ServiceView(text)
    except (KeyError, TypeError, ValueError):
        return ServiceView(f"what answers at {address} is no Waypost of this version")


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
