"""Tokens and people of the console in Redis: a hash, and one for their last uses."""

import json

from proxy.store.access import (
    Access,
    AccessKind,
    access_from_json,
    access_to_json,
)
from proxy.store.actor import Actor
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key
from proxy.store.redis.registrar import audit_text


class RedisAccess:
    """The console's part of the store; ``_redis`` is set by the whole."""

    _redis: RedisConnection

    async def accesses(self) -> list[Access]:
        """See AccessStore."""
        found = await self._redis.command("HGETALL", redis_key("access"))
        used = await self._redis.command("HGETALL", redis_key("access_used"))
        return [
            _access(field, body, used.get(field))
            for field, body in sorted(found.items())
        ]

    async def set_access(
        self, access: Access, verb: str, actor: Actor, now: float, *, is_new: bool
    ) -> bool:
        """See AccessStore."""
        body = json.dumps(access_to_json(access))
        audit = audit_text(actor, verb, access.kind, access.name, now)
        words = access.kind, access.name, body, int(is_new), audit
        return bool(await self._redis.change(scripts.SET_ACCESS, *words))

    async def remove_access(
        self, kind: AccessKind, name: str, verb: str, actor: Actor, now: float
    ) -> bool:
        """See AccessStore."""
        audit = audit_text(actor, verb, kind, name, now)
        words = kind, name, "", 0, audit
        return bool(await self._redis.change(scripts.SET_ACCESS, *words))

    async def note_access_use(
        self, kind: AccessKind, name: str, at: float, source: str
    ) -> None:
        """See AccessStore."""
        used = json.dumps([at, source])
        await self._redis.script(scripts.NOTE_ACCESS_USE, kind, name, used)

    async def note_look(
        self, actor: Actor, verb: str, call_id: str, now: float
    ) -> None:
        """See AccessStore."""
        audit = audit_text(actor, verb, "call", call_id, now)
        await self._redis.change(scripts.NOTE_LOOK, call_id, audit)


def _access(field: bytes, body: bytes, used: bytes | None) -> Access:
    kind, _, name = field.decode().partition("\n")
    at, source = json.loads(used) if used else (0.0, "")
    return access_from_json(kind, name, json.loads(body), at, source)  # type: ignore[arg-type]
