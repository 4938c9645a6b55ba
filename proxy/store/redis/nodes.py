"""Nodes in Redis: a hash with a field per node."""

from proxy.store.nodes import NodeRecord
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key


class RedisNodes:
    """The nodes' part of the store; ``_redis`` is set by the whole."""

    _redis: RedisConnection

    async def announce_node(self, uri: str, seen_at: float) -> int:
        """See NodeStore."""
        return int(await self._redis.script(scripts.ANNOUNCE_NODE, uri, repr(seen_at)))

    async def nodes(self) -> list[NodeRecord]:
        """See NodeStore."""
        found = await self._redis.command("HGETALL", redis_key("nodes"))
        rows = []
        for uri, value in found.items():
            number, _, seen_at = value.partition(b" ")
            rows.append(NodeRecord(int(number), uri.decode(), float(seen_at)))
        return sorted(rows, key=lambda row: row.number)
