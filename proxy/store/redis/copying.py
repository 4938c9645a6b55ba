"""A Redis store as one end of a move: its hashes from and to rows of SQLite."""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from proxy.location.binding import FIELDS
from proxy.store.copying import META, Rows, Values, keyed
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, Word, redis_key
from proxy.store.redis.registrar import binding_from_json, binding_to_json

Words = tuple[Any, ...]


class RedisCopy:
    """Rows made of what the Redis store keeps, and back."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis

    async def read(self, section: str) -> Rows:
        """See StoreCopy."""
        if section == "meta":
            found = await self._redis.command("HMGET", redis_key("meta"), *META)
            return keyed(section, [(META[0], found[0]), *_numbers(found[1:])])
        if section == "usage":
            return keyed(section, await self._usage())
        values: dict[bytes, bytes] = {}
        await self._redis.scan(section, values.update)
        if section == "learned":
            return keyed(section, await self._learned(values))
        read = _READ.get(section, _plain)
        return keyed(section, [row for item in values.items() for row in read(*item)])

    async def _usage(self) -> list[Values]:
        rows: list[Values] = []
        for endpoint in await self._redis.command("SMEMBERS", redis_key("usage")):
            name = f"usage:{endpoint.decode()}"
            book: dict[bytes, bytes] = await self._redis.command(
                "HGETALL", redis_key(name)
            )
            for aor, value in book.items():
                numbers, rest = _halves(value)
                head = float(numbers[0]), float(numbers[1])
                counts = int(numbers[2]), int(numbers[3])
                rows.append((endpoint.decode(), aor.decode(), *head, *counts, *rest))
        return rows

    async def _learned(self, values: dict[bytes, bytes]) -> list[Values]:
        rows: list[Values] = []
        for name, value in values.items():
            used = await self._redis.command("ZSCORE", redis_key("learned:used"), name)
            pool, endpoint, at, uri = value.decode().split("\n", 3)
            rows.append((name.decode(), uri, pool, endpoint, float(at), float(used)))
        return rows

    async def write(self, section: str, rows: Sequence[Values]) -> None:
        """See StoreCopy."""
        if section == "users":
            commands = _user_commands(rows)
        elif section in _WRITE:
            commands = [each for row in rows for each in _WRITE[section](*row)]
        else:
            commands = [("HSET", redis_key(section), *row) for row in rows]
        if section == "meta":
            known = len(await self._usage())
            commands.append(("HSET", redis_key("meta"), "usage_rows", known))
        words: list[Word] = []
        for command in commands:
            words += len(command), *command
        await self._redis.change(scripts.RESTORE, *words)

    async def close(self) -> None:
        """See StoreCopy."""
        await self._redis.close()


def _numbers(found: Sequence[bytes]) -> list[Values]:
    return [(name, int(value)) for name, value in zip(META[1:], found, strict=True)]


def _halves(value: bytes) -> tuple[list[bytes], list[Any]]:
    numbers, _, rest = value.partition(b"\n")
    return numbers.split(), json.loads(rest)


def _plain(name: bytes, value: bytes) -> list[Values]:
    return [(name.decode(), value.decode())]


def _cutover(name: bytes, value: bytes) -> list[Values]:
    return [(int(name), value.decode())]


def _audit(name: bytes, value: bytes) -> list[Values]:
    version, _, body = value.partition(b"\n")
    *head, before, after = json.loads(body)
    texts = (None if each is None else json.dumps(each) for each in (before, after))
    return [(int(name), int(version), *head, *texts)]


def _binding(name: bytes, value: bytes) -> list[Values]:
    return [binding_from_json(value).row()]


def _user(name: bytes, value: bytes) -> list[Values]:
    realm, proofs, at = json.loads(value)
    return [(name.decode(), each, realm, ha1, at) for each, ha1 in proofs.items()]


def _access(name: bytes, value: bytes) -> list[Values]:
    return [(*name.decode().split("\n"), value.decode())]


def _access_used(name: bytes, value: bytes) -> list[Values]:
    return [(*name.decode().split("\n"), *json.loads(value))]


def _conflict(name: bytes, value: bytes) -> list[Values]:
    endpoint, _, source = name.decode().partition("\n")
    (first, last, count), rest = _halves(value)
    return [(endpoint, source, *rest, float(first), float(last), int(count))]


def _audit_commands(number: int, version: int, *row: Any) -> list[Words]:
    *head, before, after = row
    rows = (json.loads(each or "null") for each in (before, after))
    body = f"{version}\n{json.dumps([*head, *rows])}"
    return [
        ("HSET", redis_key("audit"), number, body),
        ("RPUSH", redis_key(f"audit:{head[5]}"), number),
        ("HSET", redis_key("meta"), "audit_number", number),
    ]


def _learned_commands(
    name: str, uri: str, pool: str, endpoint: str, at: float, used: float
) -> list[Words]:
    value = "\n".join((pool, endpoint, repr(at), uri))
    return [
        ("HSET", redis_key("learned"), name, value),
        ("ZADD", redis_key("learned:used"), repr(used), name),
        ("SADD", redis_key(f"learned:of:{endpoint}"), name),
    ]


def _binding_commands(*row: Any) -> list[Words]:
    field = row[0].encode() + b"\n" + row[1]
    expiry = row[FIELDS.index("expires_at")]
    return [
        ("HSET", redis_key("bindings"), field, binding_to_json(row)),
        ("ZADD", redis_key("bindings:expiry"), repr(expiry), field),
        ("ZADD", redis_key("bindings:names"), 0, field),
    ]


def _conflict_commands(
    endpoint: str, source: str, agent: str, contact: str, first: float, last: float,
    count: int,
) -> list[Words]:  # fmt: skip
    field = f"{endpoint}\n{source}"
    value = f"{first!r} {last!r} {count}\n{json.dumps([agent, contact])}"
    return [
        ("HSET", redis_key("conflicts"), field, value),
        ("ZADD", redis_key("conflicts:last"), repr(last), field),
    ]


def _usage_commands(
    endpoint: str, aor: str, first: float, last: float, count: int, failed: int,
    *rest: str,
) -> list[Words]:  # fmt: skip
    value = f"{first!r} {last!r} {count} {failed}\n{json.dumps(rest)}"
    return [
        ("SADD", redis_key("usage"), endpoint),
        ("HSET", redis_key(f"usage:{endpoint}"), aor, value),
    ]


def _access_commands(kind: str, name: str, body: str) -> list[Words]:
    return [("HSET", redis_key("access"), f"{kind}\n{name}", body)]


def _access_used_commands(kind: str, name: str, at: float, source: str) -> list[Words]:
    value = json.dumps([at, source])
    return [("HSET", redis_key("access_used"), f"{kind}\n{name}", value)]


def _user_commands(rows: Sequence[Values]) -> list[Words]:
    commands: list[Words] = []
    ordered = sorted(rows, key=lambda row: str(row[0]))
    for name, group in groupby(ordered, key=lambda row: row[0]):
        each = list(group)
        proofs = {row[1]: row[3] for row in each}
        body = json.dumps([each[0][2], proofs, each[0][4]])
        commands.append(("HSET", redis_key("users"), name, body))
    return commands


_READ: Final[dict[str, Callable[[bytes, bytes], list[Values]]]] = {
    "cutovers": _cutover,
    "audit": _audit,
    "bindings": _binding,
    "users": _user,
    "conflicts": _conflict,
    "access": _access,
    "access_used": _access_used,
}
_WRITE: Final[dict[str, Callable[..., list[Words]]]] = {
    "audit": _audit_commands,
    "learned": _learned_commands,
    "bindings": _binding_commands,
    "conflicts": _conflict_commands,
    "usage": _usage_commands,
    "access": _access_commands,
    "access_used": _access_used_commands,
}
