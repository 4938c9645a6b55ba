"""The usage ledger and notes in Redis: a hash per endpoint, a field per client."""

import json
from collections.abc import Sequence
from typing import Final

from proxy.endpoints.pool_usage import PoolUsage, UserDays, added
from proxy.endpoints.usage import OTHERS, Usage
from proxy.store.actor import Actor
from proxy.store.ledger import FORGOTTEN, MAX_USERS, rows_text
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key
from proxy.store.redis.registrar import audit_text

_KEY: Final = "KEY"


class RedisLedger:
    """The ledger's part of the store; ``_redis`` is set by the whole."""

    _redis: RedisConnection
    _max_users: int = MAX_USERS

    async def add_usage(
        self,
        rows: Sequence[Usage],
        pools: Sequence[PoolUsage] = (),
        users: Sequence[UserDays] = (),
    ) -> None:
        """See LedgerStore."""
        words: list[str | int] = []
        for row in rows:
            words += row.endpoint_key, row.aor, repr(row.first_at), repr(row.last_at)
            words += row.count, row.failed
            words.append(json.dumps([row.user_agent, row.epid, row.source]))
        size = len(words)
        for each in added(pools).values():
            words += "\n".join(map(str, each.key)), each.calls, each.failed
            words += each.journeys, ",".join(map(str, each.times))
        pool_size = len(words) - size
        for user in users:
            words.append("\n".join((user.endpoint_key, user.pool_fqdn, user.aor)))
            words.append(" ".join(map(str, user.days)))
        if words:
            head = self._max_users, OTHERS, size, pool_size
            await self._redis.script(scripts.ADD_USAGE, *head, *words)

    async def pool_usage(self, endpoint_key: str | None = None) -> list[PoolUsage]:
        """See LedgerStore."""
        found = await self._redis.command("HGETALL", redis_key("usage_pools"))
        rows = [pool_usage_of(name, value) for name, value in found.items()]
        return sorted(
            (x for x in rows if endpoint_key in (None, x.endpoint_key)),
            key=lambda x: x.key,
        )

    async def user_days(self, endpoint_key: str | None = None) -> list[UserDays]:
        """See LedgerStore."""
        found = await self._redis.command("HGETALL", redis_key("usage_days"))
        rows = [user_days_of(name, value) for name, value in found.items()]
        return sorted(
            (x for x in rows if endpoint_key in (None, x.endpoint_key)),
            key=lambda x: (x.endpoint_key, x.pool_fqdn, x.aor),
        )

    async def forget_days(self, before: int) -> int:
        """See LedgerStore."""
        return int(await self._redis.script(scripts.FORGET_DAYS, before))

    async def forget_user(self, aor: str, actor: Actor, now: float) -> int:
        """See LedgerStore."""
        verb, kind = FORGOTTEN
        # How many rows go is known when they are gone: the script puts that in.
        row = audit_text(actor, verb, kind, _KEY, now)
        head, _, tail = row.rpartition(_KEY)
        words = aor, head, tail, rows_text(1), rows_text(0).removeprefix("0")
        return int(await self._redis.change(scripts.FORGET_USER, *words))

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


def pool_usage_of(name: bytes, value: bytes) -> PoolUsage:
    """One row of ``usage_pools``."""
    endpoint, pool, day, cutover = name.decode().split("\n")
    calls, failed, journeys, times = value.decode().split(" ")
    counts = int(calls), int(failed), int(journeys)
    return PoolUsage(
        *(endpoint, pool, int(day), int(cutover)),
        *counts,
        tuple(map(int, times.split(","))),
    )


def user_days_of(name: bytes, value: bytes) -> UserDays:
    """One row of ``usage_days``."""
    endpoint, pool, aor = name.decode().split("\n", 2)
    return UserDays(endpoint, pool, aor, tuple(sorted(map(int, value.split()))))
