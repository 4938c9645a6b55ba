"""Front ends that get no new dialogs for a while: what an operator may drain, and how
that ends.

Pure.  DNS tells which front ends a pool has, and the running service how they are: the
caller brings both.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final, NamedTuple

from proxy.endpoints.address import Refused
from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.model import Drain
from proxy.endpoints.table import EndpointTable
from proxy.sip.host import host_port

MOST_DRAINS: Final = 1_000
_NAME: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_-]+)*\Z")
_PLACE: Final = re.compile(r"\[([^\]]+)\](?::(\d+))?\Z|([^:]+):(\d+)\Z")
_HOW: Final = 'write its name or its address, "fe1.contoso.com" or "10.0.0.21:5061"'


class Member(NamedTuple):
    """A front end of a pool; ``is_out`` when the running service has ejected it."""

    name: str
    host: str
    port: int
    is_out: bool = False


DEFAULT_ROUTE: Final = ""
"""The name of the default route among pools."""
Members = Mapping[str, Sequence[Member] | None]
"""The front ends of each pool of the table, and of the default route; None where DNS
has not told."""


def front_end_of(text: str) -> tuple[str, int | None]:
    """Name or address in lower case, and the port; raises Refused."""
    wanted = text.strip().lower()
    found = _PLACE.match(wanted)
    host, port = wanted, None
    if found is not None:
        host, digits = found[1] or found[3], found[2] or found[4]
        port = int(digits) if digits else None
    try:
        host = str(ip_address(host))
    except ValueError:
        host = host.rstrip(".")
        if len(host) > 253 or not _NAME.match(host):
            raise Refused(f'"{text}" names no front end: {_HOW}') from None
    if port is not None and not 0 < port < 65_536:
        raise Refused(f'"{text}" has no port from 1 to 65535: {_HOW}')
    return host, port


def drain_front_end(drain: Drain, members: Members, *, force: bool = False) -> Decide:
    """Give a front end no new dialogs from now on.

    Without ``force`` it must be a front end of a pool of the table, and each of its
    pools must keep another one that is not out: a drained front end gets nothing even
    when all others fail (decision 130).
    """
    if len(drain.reason) > 256 or not drain.reason.isprintable():
        raise Refused("the reason must be one line of at most 256 characters")

    def decide(table: EndpointTable) -> list[RowChange]:
        if drain.pool and drain.pool not in table.pools:
            raise Refused(
                f'no endpoint leads to "{drain.pool}": "waypost pool list" shows the '
                "pools",
                "missing",
            )
        before = table.drain(drain.key)
        if before is None and len(table.drains) >= MOST_DRAINS:
            raise Refused(
                f"{MOST_DRAINS} front ends are drained already: bring some back with "
                '"waypost pool undrain"'
            )
        _refuse_default_route(drain, table, members)
        if not force:
            _check(drain, table, members)
        return [RowChange(before, drain)]

    return decide


def _refuse_default_route(drain: Drain, table: EndpointTable, members: Members) -> None:
    """Refuse a front end of the default route alone; raises Refused.

    The default route is not drained (decision 130), so such a drain would do nothing
    and look as if it did.
    """
    of_default = members.get(DEFAULT_ROUTE) or ()
    if not any(drain.covers(*each[:3], drain.pool) for each in of_default):
        return
    for pool in [drain.pool] if drain.pool else table.pools:
        rows = members.get(pool)
        if rows is None or any(drain.covers(*each[:3], pool) for each in rows):
            return  # it is one of a pool too, or DNS has not told
    raise Refused(
        f"{drain.place} is a front end of the default route, and none of a pool that "
        "an endpoint leads to. The default route carries sign-ins, which stay with "
        "their front end, so Waypost does not drain it: drain the server itself "
        "(Stop-CsWindowsService -Graceful), or take it out of DNS",
        "conflict",
    )


def _check(drain: Drain, table: EndpointTable, members: Members) -> None:
    """Refuse a drain after which callers find no front end; raises Refused."""
    pools = [drain.pool] if drain.pool else list(table.pools)
    affected = [
        pool
        for pool in pools
        if any(drain.covers(*each[:3], pool) for each in members.get(pool) or ())
    ]
    if not affected:
        raise _unknown(drain, pools, members)
    live = [x for x in table.drains if not x.has_ended(drain.drained_at)]
    for pool in affected:
        left = [
            each
            for each in members[pool] or ()
            if not any(x.covers(*each[:3], pool) for x in (drain, *live))
        ]
        if not left:
            raise Refused(
                f"{drain.place} is the last front end of {pool} that takes new "
                "dialogs: without it callers get 504. Bring another one back, or say "
                "--force",
                "conflict",
            )
        if all(each.is_out for each in left):
            names = ", ".join(sorted({each.name or each.host for each in left}))
            raise Refused(
                f"the other front ends of {pool} are out ({names}): without "
                f"{drain.place} callers would get 504. Mend them first, or say --force",
                "conflict",
            )


def _unknown(drain: Drain, pools: Iterable[str], members: Members) -> Refused:
    silent = sorted(pool for pool in pools if members.get(pool) is None)
    if silent:
        return Refused(
            f"DNS does not tell the front ends of {', '.join(silent)}, so nobody knows "
            f"whether {drain.place} is one, or the last: try again, or say --force",
            "conflict",
        )
    known = sorted(
        {
            # With their ports where it may be the port that is wrong.
            host_port(each.name or each.host, each.port)
            if drain.port
            else each.name or each.host
            for x in pools
            for each in members[x] or ()
        }
    )
    where = drain.pool or "any pool"
    there = f"there are {', '.join(known[:8])}" if known else "there is none at all"
    return Refused(f"{drain.place} is no front end of {where}: {there}", "missing")


def undrain_front_end(text: str, members: Members, pool: str = "") -> Decide:
    """Let a front end have new dialogs again; its name or its address will do."""
    host, port = front_end_of(text)
    names = {host}
    for each in [x for found in members.values() for x in found or ()]:
        if host in (each.name.lower(), each.host):
            names |= {each.name.lower(), each.host}

    def decide(table: EndpointTable) -> list[RowChange]:
        found = [
            x
            for x in table.drains
            if x.front_end in names and (port is None or x.port in (None, port))
        ]
        if not found:
            raise Refused(
                f'{text.strip()} is not drained: "waypost status" shows what is',
                "missing",
            )
        wanted = [x for x in found if not pool or x.pool == pool]
        if not wanted:
            places = ", ".join(x.pool or "every pool" for x in found)
            raise Refused(
                f"{text.strip()} is drained for {places}, not for {pool} alone: "
                "leave --pool out, or name that pool",
                "conflict",
            )
        return [RowChange(x, None) for x in wanted]

    return decide


def end_drains(now: float) -> Decide:
    """Remove the drains that have ended by themselves; ``now`` is wall-clock."""
    return lambda table: [
        RowChange(each, None) for each in table.drains if each.has_ended(now)
    ]
