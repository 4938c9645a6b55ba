"""Bindings, users and conflicts in Redis.

A binding is one field of a hash, named by AOR and contact; two sorted sets find those
of an AOR and those that have expired.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from proxy.location.binding import FIELDS, Binding, BindingChange
from proxy.store.actor import Actor
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, redis_key
from proxy.store.registrar import MAX_CONFLICTS, Conflict, User

_BYTES: Final = tuple(
    FIELDS.index(name)
    for name in ("key", "uri", "value", "call_id", "instance", "path", "flow")
)


class RedisRegistrar:
    """The registrar's part of the store; ``_redis`` is set by the whole.

    ``_origin`` marks the bindings that we save, so that they do not come back as news.
    """

    _redis: RedisConnection
    _origin: str

    async def save_bindings(self, changes: Sequence[BindingChange]) -> None:
        """See RegistrarStore."""
        words: list[str | bytes] = []
        for change in changes:
            words.append(_field(change.aor, change.key))
            if change.after is None:
                words += "", ""
            else:
                words += (
                    repr(change.after.expires_at),
                    binding_to_json(change.after.row()),
                )
        if not words:
            return
        try:
            await self._redis.change(scripts.SAVE_BINDINGS, self._origin, *words)
        except BaseException:
            # The change may have been made all the same.  With another origin it comes
            # back as news.
            self._origin = new_origin()
            raise

    async def bindings(self, aor: str | None, now: float) -> list[Binding]:
        """See RegistrarStore."""
        found = await (self._all_bindings() if aor is None else self._bindings_of(aor))
        return [each for each in found if each.expires_at > now]

    async def _bindings_of(self, aor: str) -> list[Binding]:
        start = aor.encode()
        limits = b"[" + start + b"\n", b"(" + start + b"\x0b"
        fields = await self._redis.command(
            "ZRANGEBYLEX", redis_key("bindings:names"), *limits
        )
        if not fields:
            return []
        values = await self._redis.command("HMGET", redis_key("bindings"), *fields)
        found = [binding_from_json(value) for value in values if value is not None]
        return [each for each in found if each.aor == aor]

    async def _all_bindings(self) -> list[Binding]:
        found: dict[bytes, Binding] = {}

        def take(values: Mapping[bytes, bytes]) -> None:
            for field, value in values.items():
                found[field] = binding_from_json(value)

        await self._redis.scan("bindings", take)
        return list(found.values())

    async def remove_bindings(
        self, aor: str, actor: Actor, now: float
    ) -> list[Binding]:
        """See RegistrarStore."""
        audit = audit_text(actor, "binding.remove", "binding", aor, now)
        words = aor, repr(now), audit
        gone = await self._redis.change(scripts.REMOVE_BINDINGS, *words)
        return [binding_from_json(value) for value in gone]

    async def forget_bindings(self, before: float) -> int:
        """See RegistrarStore."""
        return await self._forget(scripts.FORGET_BINDINGS, before)

    async def _forget(self, script: str, before: float) -> int:
        total = 0
        while gone := int(await self._redis.script(script, repr(before))):
            total += gone
        return total

    async def users(self) -> list[User]:
        """See RegistrarStore."""
        found = await self._redis.command("HGETALL", redis_key("users"))
        return [
            User(name.decode(), *json.loads(body))
            for name, body in sorted(found.items())
        ]

    async def set_user(self, user: User, verb: str, actor: Actor) -> None:
        """See RegistrarStore."""
        body = json.dumps([user.realm, dict(user.ha1), user.changed_at])
        audit = audit_text(actor, verb, "user", user.name, user.changed_at)
        await self._redis.change(scripts.SET_USER, user.name, body, audit)

    async def remove_user(self, name: str, actor: Actor, now: float) -> bool:
        """See RegistrarStore."""
        audit = audit_text(actor, "user.remove", "user", name, now)
        return bool(await self._redis.change(scripts.SET_USER, name, "", audit))

    async def registrar_version(self) -> int:
        """See RegistrarStore."""
        return await self._redis.version("registrar_version")

    async def note_conflict(self, conflict: Conflict) -> None:
        """See RegistrarStore."""
        await self._redis.script(
            scripts.NOTE_CONFLICT,
            f"{conflict.endpoint_key}\n{conflict.source}",
            repr(conflict.first_at),
            repr(conflict.last_at),
            conflict.count,
            json.dumps([conflict.user_agent, conflict.contact]),
            MAX_CONFLICTS,
        )

    async def conflicts(self, endpoint_key: str | None = None) -> list[Conflict]:
        """See RegistrarStore."""
        found = await self._redis.command("HGETALL", redis_key("conflicts"))
        rows = [_conflict(field.decode(), value) for field, value in found.items()]
        return sorted(
            (row for row in rows if endpoint_key in (None, row.endpoint_key)),
            key=lambda row: -row.last_at,
        )


def new_origin() -> str:
    """A name for one opened store."""
    return secrets.token_hex(8)


def audit_text(
    actor: Actor,
    verb: str,
    kind: str,
    key: str,
    at: float,
    before: object = None,
    after: object = None,
) -> str:
    """A row of the history, before it has a number and a version."""
    return json.dumps([at, actor.name, actor.origin, verb, kind, key, before, after])


def _field(aor: str, contact: bytes) -> bytes:
    """The last line end is ours: an AOR may hold one (``%0a``), and a contact does
    not."""
    return aor.encode() + b"\n" + contact


def names_in(field: bytes) -> tuple[str, bytes]:
    """AOR and contact of a field."""
    aor, _, contact = field.rpartition(b"\n")
    return aor.decode(), contact


def binding_to_json(row: Sequence[Any]) -> str:
    """A binding's row as text."""
    values = list(row)
    for at in _BYTES:
        values[at] = values[at].decode("latin-1")
    return json.dumps(values)


def binding_from_json(body: bytes) -> Binding:
    """The binding that ``binding_to_json`` wrote."""
    values = json.loads(body)
    for at in _BYTES:
        values[at] = values[at].encode("latin-1")
    return Binding(*values)


def _conflict(field: str, value: bytes) -> Conflict:
    endpoint_key, _, source = field.partition("\n")
    numbers, _, rest = value.partition(b"\n")
    first, last, count = numbers.split()
    user_agent, contact = json.loads(rest)
    return Conflict(
        endpoint_key,
        source,
        user_agent,
        contact,
        float(first),
        float(last),
        int(count),
    )
