"""Leases and the guard's counts in Redis: a key that expires, a hash per cutover."""

from collections.abc import Mapping

from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key


class RedisWatch:
    """The watch's part of the store; ``_redis`` is set by the whole."""

    _redis: RedisConnection

    async def hold_lease(self, name: str, holder: str, seconds: float) -> str:
        """See WatchStore."""
        words = name, holder, int(seconds * 1000)
        found: bytes = await self._redis.script(scripts.HOLD_LEASE, *words)
        return found.decode()

    async def add_guarded(self, cutover: int, counts: Mapping[str, int]) -> None:
        """See WatchStore."""
        words = [word for item in counts.items() for word in item]
        await self._redis.script(scripts.ADD_GUARDED, cutover, *words)

    async def guarded(self, cutover: int) -> dict[str, int]:
        """See WatchStore."""
        found = await self._redis.command("HGETALL", redis_key(f"guard:{cutover}"))
        return {what.decode(): int(count) for what, count in found.items()}
