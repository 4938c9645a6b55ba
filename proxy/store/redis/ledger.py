"""The usage ledger and notes in Redis: a hash per endpoint, a field per client."""

import json
from collections.abc import Sequence

from proxy.endpoints.usage import OTHERS, Usage
from proxy.store.ledger import MAX_USERS
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key


class RedisLedger:
    """The ledger's part of the store; ``_redis`` is set by the whole."""

    _redis: RedisConnection
    _max_users: int = MAX_USERS

    async def add_usage(self, rows: Sequence[Usage]) -> None:
        """See LedgerStore."""
        words: list[str | int] = [self._max_users, OTHERS]
        for row in rows:
            words += row.endpoint_key, row.aor, repr(row.first_at), repr(row.last_at)
            words += row.count, row.failed
            words.append(json.dumps([row.user_agent, row.epid, row.source]))
        if rows:
            await self._redis.script(scripts.ADD_USAGE, *words)

    async def usage(self, endpoint_key: str | None = None) -> list[Usage]:
        """See LedgerStore."""
        if endpoint_key is not None:
            endpoints = [endpoint_key]
        else:
            known = await self._redis.command("SMEMBERS", redis_key("usage"))
            endpoints = sorted(each.decode() for each in known)
        rows: list[Usage] = []
        for endpoint in endpoints:
            found = await self._redis.command("HGETALL", redis_key(f"usage:{endpoint}"))
            rows += (_usage(endpoint, aor, value) for aor, value in found.items())
        return sorted(rows, key=lambda row: (-row.last_at, row.aor))

    async def note(self, name: str) -> str:
        """See LedgerStore."""
        body: bytes | None = await self._redis.command("HGET", redis_key("notes"), name)
        return (body or b"").decode()

    async def set_note(self, name: str, body: str) -> None:
        """See LedgerStore."""
        await self._redis.change(scripts.SET_NOTE, name, body)


def _usage(endpoint: str, aor: bytes, value: bytes) -> Usage:
    numbers, _, rest = value.partition(b"\n")
    first, last, count, failed = numbers.split()
    return Usage(
        endpoint,
        aor.decode(),
        float(first),
        float(last),
        int(count),
        int(failed),
        *json.loads(rest),
    )
