"""Whether a guard with chat probes would have anything to probe, before it is armed.

A probe needs an active endpoint that leads to the pool, and a front end that DNS names.
Without them a guard waits for users alone.
"""

from collections.abc import Sequence

from proxy.admin.doctor.verdicts import Step
from proxy.config import Config
from proxy.endpoints.changes import RowChange
from proxy.endpoints.model import Endpoint, Pool
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import Lookup
from proxy.pools.selection import PREFERENCE, in_use

NAME = "chat-probe"
_BY_CHOICE = ("tcp", "tls", "udp")


async def judge_probe_goals(
    config: Config, table: EndpointTable, changes: Sequence[RowChange]
) -> list[Step]:
    """A warning for each new pool that no probe would reach."""
    after = [each.after for each in changes if isinstance(each.after, Endpoint)]
    steps = []
    for fqdn in dict.fromkeys(each.pools[-1] for each in after):
        leading = [each for each in after if fqdn in each.pools]
        why = await _obstacle(config, table.pool(fqdn) or Pool(fqdn), leading)
        if why:
            text = f"{why}: no chat probe can count, and the guard waits for users"
            steps.append(
                Step(
                    *(fqdn, NAME, "warning", text),
                    fix="mend that, or count on calls alone: apply without --probe",
                )
            )
    return steps


async def _obstacle(config: Config, pool: Pool, leading: Sequence[Endpoint]) -> str:
    if all(each.state != "active" for each in leading):
        return f"{leading[0].sip_address} is retired"
    listened = {each.transport for each in config.listen}
    first = [each for each in _BY_CHOICE if each in listened][:1]
    transports = config.chat_probe.transports or first
    from proxy.pools.resolver import Resolver  # dnspython: on demand

    resolver = Resolver(config.dns.nameservers or None, set(listened))
    try:
        found = await resolver.resolve(Lookup(pool.fqdn, pool.port, pool.transport))
    finally:
        await resolver.close()
    if any(in_use(found, PREFERENCE[each]) for each in transports):
        return ""
    return f"no front end can be found ({found.reason or 'DNS names none'})"
