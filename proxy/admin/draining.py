"""Front ends without new dialogs: ``pool drain`` and ``pool undrain``.

Which front ends a pool has is asked of DNS, and how they are of the running service,
before the store is: what was decided by them is what was true a moment ago.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from proxy.admin.control import Operator, Outcome, apply_change, refusals
from proxy.admin.pool_show import ask_service
from proxy.config import Config
from proxy.endpoints.address import normalise_fqdn
from proxy.endpoints.drains import (
    DEFAULT_ROUTE,
    Member,
    Members,
    drain_front_end,
    front_end_of,
    undrain_front_end,
)
from proxy.endpoints.model import Drain
from proxy.pools.front_end import Lookup
from proxy.pools.resolver import Resolver
from proxy.sip.flow import Transport

PATIENCE = 4.0
"""Seconds for DNS to tell the front ends of all pools."""


async def drain(
    operator: Operator,
    config: Config,
    front_end: str,
    *,
    pool: str | None = None,
    seconds: float | None = None,
    reason: str = "",
    force: bool = False,
    what_if: bool = False,
) -> Outcome:
    """Give a front end no new dialogs, for so many seconds or until ``undrain``.

    Refused for the last front end of a pool, and for one that no pool has; ``force``
    goes on and stands in the audit.
    """
    with refusals():
        host, port = front_end_of(front_end)
        fqdn = "" if pool is None else normalise_fqdn(pool)
    members = await members_of(operator, config, fqdn, host)
    now = operator.clock()
    row = Drain(host, port, fqdn, reason.strip(), operator.actor.name, now)
    if seconds is not None:
        row = replace(row, ends_at=now + seconds)
    verb = "pool.drain --force" if force else "pool.drain"
    decide = drain_front_end(row, members, force=force)
    return await apply_change(operator, verb, decide, what_if)


async def undrain(
    operator: Operator,
    config: Config,
    front_end: str,
    *,
    pool: str | None = None,
    what_if: bool = False,
) -> Outcome:
    """Let a front end have new dialogs again."""
    with refusals():
        front_end_of(front_end)
        fqdn = "" if pool is None else normalise_fqdn(pool)
    # Only for its other name: without DNS the name or address that was drained does.
    members = await members_of(operator, config, fqdn)
    with refusals():
        decide = undrain_front_end(front_end, members, fqdn)
    return await apply_change(operator, "pool.undrain", decide, what_if)


async def members_of(
    operator: Operator, config: Config, fqdn: str = "", host: str = ""
) -> Members:
    """The front ends of each pool of the table, or of the one, and of the default
    route; None where DNS is silent.

    How they are is asked of the service for pools with the front end ``host``.
    """
    table = await operator.store.load_table()
    pools = [x for name, x in table.pools.items() if fqdn in ("", name)]
    asked = {x.fqdn.lower(): Lookup(x.fqdn.lower(), x.port, x.transport) for x in pools}
    if (default := default_lookup(config)) is not None:
        asked[DEFAULT_ROUTE] = default
    transports = {listen.transport for listen in config.listen}
    resolver = Resolver(config.dns.nameservers or None, transports)
    try:
        each = [_front_ends(resolver, lookup) for lookup in asked.values()]
        found = await asyncio.gather(*each)
    finally:
        await resolver.close()
    members: dict[str, Sequence[Member] | None] = {}
    for name, rows in zip(asked, found, strict=True):
        if name and rows and any(host in (x.name.lower(), x.host) for x in rows):
            out = await asyncio.to_thread(_ejected, config, name)
            rows = [x._replace(is_out=(x.host, x.port) in out) for x in rows]
        members[name] = rows
    return members


def default_lookup(config: Config) -> Lookup | None:
    """What DNS is asked of the default route; None without one."""
    uri = config.routes.default_uri
    if uri is None:
        return None
    transport = cast(Transport | None, uri.transport or None)
    return Lookup(uri.target_host, uri.port, transport, uri.scheme == "sips")


async def _front_ends(resolver: Resolver, lookup: Lookup) -> Sequence[Member] | None:
    try:
        async with asyncio.timeout(PATIENCE):
            found = await resolver.resolve(lookup)
    except TimeoutError:
        return None
    if found.error == "timeout":
        return None
    return [Member(x.name, x.host, x.port) for x in found.front_ends()]


def _ejected(config: Config, fqdn: str) -> set[tuple[str, int]]:
    """What the running service has ejected; nothing without one."""
    rows = ask_service(config, fqdn).front_ends
    return {(x["address"], x["port"]) for x in rows if x["state"] == "ejected"}
