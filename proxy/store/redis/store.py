"""The store that several machines share: one Redis behind the interface.

A change reads the table, decides here, and writes by a script, which first checks that
the rows are still those that were read.  If they are not, we decide once more.  If
another caller has changed the very row meanwhile, the change is refused, and the error
says so.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Final

from proxy.endpoints.changes import Decide, RowChange
from proxy.endpoints.codec import (
    audit_json,
    cutover_from_json,
    drain_from_json,
    endpoint_from_json,
    pool_from_json,
    row_from_json,
    row_to_json,
)
from proxy.endpoints.model import Cutover, LearnedUri
from proxy.endpoints.table import MOST_POOLS, EndpointTable
from proxy.sip.errors import MalformedMessage
from proxy.sip.uri import parse_uri
from proxy.store.actor import Actor
from proxy.store.audit_row import AuditRow
from proxy.store.errors import StoreError
from proxy.store.redis import scripts
from proxy.store.redis.access import RedisAccess
from proxy.store.redis.connection import RedisConnection, redis_key
from proxy.store.redis.learned import rows_of
from proxy.store.redis.ledger import RedisLedger
from proxy.store.redis.news import RedisNews
from proxy.store.redis.nodes import RedisNodes
from proxy.store.redis.registrar import RedisRegistrar, audit_text, new_origin
from proxy.store.redis.unknown import RedisUnknown
from proxy.store.redis.watch import RedisWatch

TRIES: Final = 50
AT_ONCE: Final = 500
THOROUGH_BYTES: Final = 32 * 1024
_TABLE: Final = {
    **{"endpoint": "endpoints", "pool": "pools", "cutover": "cutovers"},
    "drain": "drains",
}


class RedisStore(
    RedisRegistrar,
    RedisLedger,
    RedisUnknown,
    RedisAccess,
    RedisNews,
    RedisNodes,
    RedisWatch,
):
    """A Store in a Redis."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._origin = new_origin()

    @classmethod
    async def open(cls, url: str) -> "RedisStore":
        """Connect, and make the store when there is none; raises StoreError."""
        redis = RedisConnection(url)
        try:
            await redis.set_up()
        except BaseException:
            await redis.close()
            raise
        return cls(redis)

    async def load_table(self) -> EndpointTable:
        """See Store."""
        return (await self._read_table(with_learned=True))[0]

    async def _read_table(self, *, with_learned: bool) -> tuple[EndpointTable, int]:
        """The table and the version of its rows, read at one moment."""
        found = await self._redis.script(scripts.READ_TABLE, int(with_learned))
        version, rows_version = int(found[0]), int(found[1])
        endpoints = [endpoint_from_json(json.loads(body)) for body in found[2]]
        pools = [pool_from_json(json.loads(body)) for body in found[3]]
        table = EndpointTable(
            sorted(endpoints, key=lambda each: each.key),
            sorted(pools, key=lambda each: each.fqdn),
            _learned(found[5], found[6]),
            version,
            cutover_from_json(json.loads(found[4])) if found[4] else None,
            sorted(
                [drain_from_json(json.loads(body)) for body in found[7]],
                key=lambda each: each.key,
            ),
        )
        return table, rows_version

    async def table_version(self) -> int:
        """See Store."""
        return await self._redis.version("table_version")

    async def hmac_key(self) -> bytes:
        """See Store."""
        return self._redis.hmac_key

    async def change(
        self, actor: Actor, verb: str, decide: Decide, now: float
    ) -> list[RowChange]:
        """See Store; raises StoreError also when another change of the row came
        first."""
        first: list[RowChange] | None = None
        for _ in range(TRIES):
            table, rows_version = await self._read_table(with_learned=False)
            changes = list(decide(table))
            if first is not None:
                await self._refuse_conflict(first, changes)
            if not changes:
                return []
            first = first or changes
            words = [
                word for each in changes for word in _words(each, actor, verb, now)
            ]
            if await self._redis.change(scripts.CHANGE, rows_version, *words) >= 0:
                return changes
            await asyncio.sleep(0)
        raise StoreError(
            f"the Redis store {self._redis.place} is being changed by others all the "
            "time: try again"
        )

    async def _refuse_conflict(
        self, first: Sequence[RowChange], again: Sequence[RowChange]
    ) -> None:
        """Refuse a change when its row has been changed since the first decision."""
        known = {(each.kind, each.key): each.before for each in first}
        for each in again:
            if known.get((each.kind, each.key), each.before) != each.before:
                rows = await self.history(each.key, 1)
                who = f"{rows[0].actor.name} ({rows[0].verb})" if rows else "somebody"
                raise StoreError(
                    f"{each.kind} {each.key} was changed by {who} at the same moment "
                    "and yours was not made: look at it and try again"
                )

    async def history(self, key: str | None = None, limit: int = 100) -> list[AuditRow]:
        """See Store."""
        if limit <= 0:
            return []
        if key is None:
            newest = int(await self._redis.command("HGET", *_NUMBER) or 0)
            numbers = list(range(newest, max(newest - limit, 0), -1))
        else:
            words = "LRANGE", redis_key(f"audit:{key}"), -limit, -1
            numbers = [int(each) for each in await self._redis.command(*words)][::-1]
        if not numbers:
            return []
        rows = await self._redis.command("HMGET", redis_key("audit"), *numbers)
        return [
            _audit_row(number, row)
            for number, row in zip(numbers, rows, strict=True)
            if row is not None
        ]

    async def audit_row(self, number: int) -> AuditRow | None:
        """See Store."""
        row = await self._redis.command("HGET", redis_key("audit"), number)
        return None if row is None else _audit_row(number, row)

    async def audit_batch(self, number: int) -> list[AuditRow]:
        """See Store: the rows of one script have numbers without a gap."""
        one = await self.audit_row(number)
        if one is None:
            return []
        found = {number: one}
        for step in (-AT_ONCE, AT_ONCE):
            at = number
            while rows := await self._beside(at, step):
                same = [row for row in rows if _is_together(row, one)]
                found |= {row.number: row for row in same}
                at += step
                if len(same) < len(rows):
                    break
        return [found[each] for each in sorted(found)]

    async def _beside(self, number: int, step: int) -> list[AuditRow]:
        """So many rows before or after one, without it."""
        numbers = range(number + (step > 0), number + step + (step > 0))
        if step < 0:
            numbers = range(max(number + step, 1), number)
        if not numbers:
            return []
        rows = await self._redis.command("HMGET", redis_key("audit"), *numbers)
        pairs = zip(numbers, rows, strict=True)
        return [_audit_row(each, row) for each, row in pairs if row is not None]

    async def cutovers(self) -> list[Cutover]:
        """See Store."""
        bodies = await self._redis.command("HVALS", redis_key("cutovers"))
        found = [cutover_from_json(json.loads(body)) for body in bodies]
        return sorted(found, key=lambda each: each.number, reverse=True)

    async def learn(
        self, uri: str, pool_fqdn: str, endpoint_key: str, now: float
    ) -> bool:
        """See Store."""
        parsed = parse_uri(uri.encode())
        if parsed.user is None:
            raise MalformedMessage("learned URI without a user")
        value = "\n".join((pool_fqdn, endpoint_key, repr(now), uri))
        words = parsed.key, pool_fqdn, endpoint_key, repr(now), value, MOST_POOLS
        return bool(await self._redis.script(scripts.LEARN, *words))

    async def touch_learned(self, used: Mapping[str, float]) -> None:
        """See Store."""
        if used:
            words = [word for name, at in used.items() for word in (repr(at), name)]
            await self._redis.script(scripts.TOUCH_LEARNED, *words)

    async def forget_learned(self, before: float) -> int:
        """See Store."""
        return await self._forget(scripts.FORGET_LEARNED, before)

    async def try_write(self, *, is_thorough: bool = False) -> None:
        """See Store."""
        size = THOROUGH_BYTES if is_thorough else 1
        await self._redis.change(scripts.TRY_WRITE, bytes(size))

    async def tidy(self) -> None:
        """See Store; Redis looks after its files itself."""

    async def close(self) -> None:
        """See Store."""
        await self._redis.close()


def _is_together(row: AuditRow, other: AuditRow) -> bool:
    return (row.version, row.at, row.verb) == (other.version, other.at, other.verb)


_NUMBER: Final = (redis_key("meta"), "audit_number")


def _words(change: RowChange, actor: Actor, verb: str, now: float) -> tuple[str, ...]:
    """What the script CHANGE gets about one row."""
    body = "" if change.after is None else json.dumps(row_to_json(change.after))
    rows = audit_json(change.before), audit_json(change.after)
    audit = audit_text(actor, verb, change.kind, change.key, now, *rows)
    return _TABLE[change.kind], change.key, body, audit


def _audit_row(number: int, row: bytes) -> AuditRow:
    version, _, body = row.partition(b"\n")
    at, name, origin, verb, kind, key, before, after = json.loads(body)
    return AuditRow(
        number,
        int(version),
        at,
        Actor(name, origin),
        verb,
        kind,
        key,
        row_from_json(before),
        row_from_json(after),
    )


def _learned(values: Sequence[bytes], used: Sequence[bytes]) -> list[LearnedUri]:
    """Names and values, and names and instants, each after the other."""
    used_at = dict(zip(used[::2], map(float, used[1::2]), strict=True))
    found = []
    for name, value in zip(values[::2], values[1::2], strict=True):
        for pool, endpoint, at, uri in rows_of(value):
            last = used_at.get(name, at)
            found.append(LearnedUri(uri, name.decode(), pool, endpoint, at, last))
    return found
