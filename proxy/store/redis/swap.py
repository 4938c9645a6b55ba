"""Puts a backup in the place of what a Redis store holds: staged, compared, swapped.

The rows are written under names of their own first.  One script then takes away what
was there and gives them their names, so a killed restore changes nothing, and nodes
that are connected see the old store or the new one.  What a killed one has staged is
removed by the next.
"""

import secrets
from collections.abc import AsyncIterator
from typing import Final

from proxy.store.errors import StoreError
from proxy.store.redis import scripts
from proxy.store.redis.connection import SCHEMA, RedisConnection, redis_key
from proxy.store.redis.copying import RedisCopy

STAGE: Final = "restore:"
_STAYS: Final = ("lease:", "nodes", "changes", "meta", STAGE)
_AT_ONCE: Final = 1000


class RedisSwap:
    """One restore; ``stage`` is the end to write the rows to."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self.stage = RedisCopy(redis, STAGE)

    @classmethod
    async def open(cls, url: str) -> "RedisSwap":
        """Connect, and make a store when there is none; raises StoreError."""
        redis = RedisConnection(url)
        try:
            await redis.set_up()
            swap = cls(redis)
            await swap.clear()
        except BaseException:
            await redis.close()
            raise
        return swap

    async def clear(self) -> None:
        """Remove what an earlier restore has staged."""
        names = [name async for name in self._names() if name.startswith(STAGE)]
        for at in range(0, len(names), _AT_ONCE):
            keys = map(redis_key, names[at : at + _AT_ONCE])
            await self._redis.command("DEL", *keys)

    async def _names(self) -> AsyncIterator[str]:
        """Every name of ours without the prefix, once or more."""
        cursor = b"0"
        while True:
            words = "SCAN", cursor, "MATCH", f"{scripts.PREFIX}*", "COUNT", _AT_ONCE
            cursor, found = await self._redis.command(*words)
            for each in found:
                yield each.decode().removeprefix(scripts.PREFIX)
            if not int(cursor):
                return

    async def swap(self, changes: int, table_version: int, secret: bytes) -> None:
        """Let what is staged be the store, if it still is what the caller has seen.

        With another secret it is another store: nodes that are connected say that they
        have lost theirs until they are restarted.  Raises StoreError.
        """
        names = {name async for name in self._names()}
        staged = sorted(n.removeprefix(STAGE) for n in names if n.startswith(STAGE))
        gone = sorted(name for name in names if not name.startswith(_STAYS))
        is_same = secret == self._redis.hmac_key
        identity = await self._redis.command("HGET", redis_key("meta"), "identity")
        words = (
            *(changes, table_version),
            *(identity if is_same else secrets.token_hex(16), SCHEMA),
            *(*staged, "", *gone),
        )
        if not await self._redis.change(scripts.SWAP, *words):
            raise StoreError(
                f"the Redis store {self._redis.place} was changed during the restore, "
                "and nothing was restored: look at the change and try again"
            )

    async def close(self) -> None:
        """Hang up."""
        await self._redis.close()
