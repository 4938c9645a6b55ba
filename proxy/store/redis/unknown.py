"""Addresses that nobody serves, in Redis: a hash, and what each field is worth."""

import json
from collections.abc import Sequence

from proxy.endpoints.unknown import MAX_UNKNOWN, MOST_WORTH, NOBODY
from proxy.endpoints.usage import Usage
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key


class RedisUnknown:
    """This part of the store; ``_redis`` is set by the whole."""

    _redis: RedisConnection
    _most: int = MAX_UNKNOWN

    async def add_unknown(self, rows: Sequence[Usage]) -> None:
        """See LedgerStore."""
        words: list[str | int] = []
        for row in rows:
            words += field_of(row.endpoint_key, row.aor), repr(row.first_at)
            words += repr(row.last_at), row.count
            words.append(json.dumps([row.user_agent, row.epid, row.source]))
        if words:
            head = self._most, field_of(*NOBODY), MOST_WORTH
            await self._redis.script(scripts.ADD_UNKNOWN, *head, *words)

    async def unknown(self) -> list[Usage]:
        """See LedgerStore."""
        found = await self._redis.command("HGETALL", redis_key("unknown"))
        rows = [unknown_of(name, value) for name, value in found.items()]
        return sorted(rows, key=lambda row: (-row.last_at, row.endpoint_key, row.aor))

    async def unknown_held(self) -> tuple[int, int]:
        """See LedgerStore."""
        named = await self._redis.command("ZCARD", redis_key("unknown:worth"))
        name = field_of(*NOBODY)
        row = await self._redis.command("HGET", redis_key("unknown"), name)
        return named, unknown_of(name.encode(), row).count if row else 0


def field_of(address: str, aor: str) -> str:
    """The name of a row."""
    return f"{address}\n{aor}"


def unknown_of(name: bytes, value: bytes) -> Usage:
    """One row."""
    address, _, aor = name.decode().partition("\n")
    numbers, _, rest = value.partition(b"\n")
    first, last, count = numbers.split()
    counts = float(first), float(last), int(count), int(count)
    return Usage(address, aor, *counts, *json.loads(rest))
