"""What DNS says about a pool now, asked afresh: the material of ``pool show``."""

from proxy.admin.control import ControlError, PoolView
from proxy.config import Config
from proxy.pools.description import PoolDescription
from proxy.pools.front_end import Lookup
from proxy.pools.resolver import Resolver


def lookup_of(view: PoolView) -> Lookup:
    """What is asked of RFC 3263 to reach a pool."""
    return Lookup(view.pool.fqdn, view.pool.port, view.pool.transport)


async def resolve_pool(config: Config, view: PoolView) -> PoolDescription:
    """Every record and front end of a pool; raises ControlError when there is none."""
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
    return description
