"""Whether DNS knows the pools that a change leads to: a warning before the first call.

A doubt and no refusal: the records may come later.  Where DNS gives no answer we say
nothing; the doctor reports that.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from proxy.admin.doctor.verdicts import Step
from proxy.config import Config
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Endpoint, Pool
from proxy.endpoints.similar import similar_host
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import Lookup, Resolution

PATIENCE: Final = 2.0
"""Seconds that a change waits for DNS, in all."""
MOST: Final = 20
"""Names that are asked for; a plan may hold thousands."""


def named_by(changes: Iterable[RowChange]) -> list[str]:
    """The pools that these changes make endpoints lead to, each once."""
    found: dict[str, None] = {}
    for change in changes:
        before, after = change.before, change.after
        if isinstance(after, Endpoint):
            known = before.pools if isinstance(before, Endpoint) else ()
            found.update(dict.fromkeys(x for x in after.pools if x not in known))
    return list(found)


def in_use(config: Config, table: EndpointTable) -> set[str]:
    """The names that may have been meant."""
    used = {fqdn for each in table.endpoints.values() for fqdn in each.pools}
    return used | {pool.fqdn.lower() for pool in config.pool}


async def look(
    config: Config, table: EndpointTable, names: Sequence[str], used: Collection[str]
) -> list[Step]:
    """A step for each of ``names``; ``used`` are those that may have been meant."""
    pools = [table.pool(name) or Pool(name) for name in names[:MOST]]
    steps = [_unasked(name, "not asked: there are many") for name in names[MOST:]]
    if not pools:
        return steps
    from proxy.pools.resolver import Resolver  # dnspython: on demand

    transports = {listen.transport for listen in config.listen}
    resolver = Resolver(config.dns.nameservers or None, transports)
    asked = [
        asyncio.ensure_future(resolver.resolve(Lookup(x.fqdn, x.port, x.transport)))
        for x in pools
    ]
    try:
        await asyncio.wait(asked, timeout=PATIENCE)
        found = [each.result() if each.done() else None for each in asked]
    finally:
        for each in asked:
            each.cancel()
        await resolver.close()
    judged = [
        _judge(pool.fqdn, answer, set(used) - {pool.fqdn.lower()})
        for pool, answer in zip(pools, found, strict=True)
    ]
    return [*judged, *steps]


def _judge(name: str, answer: Resolution | None, others: Collection[str]) -> Step:
    if answer is None or answer.error == "timeout":
        return _unasked(name, f"DNS has not said within {PATIENCE:g} s")
    if answer.error is not None:
        return Step(name, "dns", "warning", _doubt(name, answer.reason, others))
    count = len(answer.front_ends())
    return Step(name, "dns", "ok", f"DNS has {count} front ends")


def _unasked(name: str, why: str) -> Step:
    fix = f'"waypost pool show {name}" asks with more patience'
    return Step(name, "dns", "unknown", f"whether DNS knows it: {why}", fix)


async def doubts(
    config: Config, table: EndpointTable, names: Sequence[str], used: Collection[str]
) -> list[str]:
    """The sentences of those that DNS has nothing for."""
    steps = await look(config, table, names, used)
    return [step.text for step in steps if step.verdict == "warning"]


def _doubt(name: str, reason: str, others: Collection[str]) -> str:
    meant = similar_host(name, sorted(others))
    question = f'did you mean "{meant}"? ' if meant else ""
    return (
        f"no call can reach {name} yet: {reason}: {question}"
        f'"waypost pool show {name}" shows every answer of DNS'
    )
