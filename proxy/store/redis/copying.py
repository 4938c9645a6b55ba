"""A Redis store as one end of a move: its hashes from and to rows of SQLite."""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

from proxy.endpoints.unknown import NOBODY, worth_of
from proxy.location.binding import FIELDS
from proxy.store.copying import META, Rows, Values, keyed
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection, Word, redis_key
from proxy.store.redis.learned import rows_of, value_of
from proxy.store.redis.ledger import pool_usage_of, user_days_of
from proxy.store.redis.registrar import binding_from_json, binding_to_json
from proxy.store.redis.scripts import PREFIX
from proxy.store.redis.unknown import field_of, unknown_of

Words = tuple[Any, ...]
TOGETHER: Final = (
    *("endpoints", "pools", "drains", "cutovers", "learned", "users", "notes"),
    *("access", "access_used", "conflicts"),
)
"""The hashes that are read at one moment.  Bindings and counts are not among them: they
are many, and each stands for itself."""
_NEWEST: Final = "audit_number"


class RedisCopy:
    """Rows made of what the Redis store keeps, and back."""

    def __init__(self, redis: RedisConnection, stage: str = "") -> None:
        self._redis = redis
        self._stage = stage  # begins the names of what is being restored
        self._frozen: dict[str, dict[bytes, bytes]] = {}

    async def freeze(self) -> None:
        """Read at one moment the hashes that belong together; later reads show this.

        Bindings and counts are read later, because each of them stands for itself.
        Rows of the history never change, so later ones are simply left out.
        """
        words = *META, "", *TOGETHER
        found = await self._redis.script(scripts.SNAPSHOT, *words)
        values, *hashes, used = found
        names = [name.encode() for name in (*META, _NEWEST)]
        self._frozen = {
            "meta": dict(zip(names, values, strict=True)),
            "learned:used": _pairs(used),
            **{x: _pairs(y) for x, y in zip(TOGETHER, hashes, strict=True)},
        }

    async def read(self, section: str) -> Rows:
        """See StoreCopy."""
        if section == "meta":
            meta = self._frozen.get("meta")
            if meta is None:
                found = await self._redis.command("HMGET", self._key("meta"), *META)
            else:
                found = [meta[name.encode()] for name in META]
            return keyed(section, [(META[0], found[0]), *_numbers(found[1:])])
        if section == "usage":
            return keyed(section, await self._usage())
        if section == "learned_by_pool":
            return keyed(section, await self._learned(await self._hash("learned")))
        values = await self._hash(section)
        read = _READ.get(section, _plain)
        rows = [row for item in values.items() for row in read(*item)]
        if section == "audit" and self._frozen:
            newest = int(self._frozen["meta"][_NEWEST.encode()])
            rows = [row for row in rows if row[0] <= newest]  # type: ignore[operator]
        return keyed(section, rows)

    async def _hash(self, name: str) -> dict[bytes, bytes]:
        if name in self._frozen:
            return self._frozen[name]
        values: dict[bytes, bytes] = {}
        await self._redis.scan(self._stage + name, values.update)
        return values

    async def _usage(self) -> list[Values]:
        rows: list[Values] = []
        for endpoint in await self._redis.command("SMEMBERS", self._key("usage")):
            name = f"usage:{endpoint.decode()}"
            book: dict[bytes, bytes] = await self._redis.command(
                "HGETALL", self._key(name)
            )
            for aor, value in book.items():
                numbers, rest = _halves(value)
                head = float(numbers[0]), float(numbers[1])
                counts = int(numbers[2]), int(numbers[3])
                rows.append((endpoint.decode(), aor.decode(), *head, *counts, *rest))
        return rows

    async def _learned(self, values: dict[bytes, bytes]) -> list[Values]:
        rows: list[Values] = []
        times = self._frozen.get("learned:used")
        for name, value in values.items():
            used = times.get(name) if times is not None else None
            if times is None:
                words = "ZSCORE", self._key("learned:used"), name
                used = await self._redis.command(*words)
            for pool, endpoint, at, uri in rows_of(value):
                rows.append((name.decode(), pool, uri, endpoint, at, float(used or at)))
        return rows

    async def write(self, section: str, rows: Sequence[Values]) -> None:
        """See StoreCopy."""
        if section == "users":
            commands = _user_commands(rows)
        elif section == "learned_by_pool":
            commands = _learned_commands(rows)
        elif section in _WRITE:
            commands = [each for row in rows for each in _WRITE[section](*row)]
        else:
            commands = [("HSET", redis_key(section), *row) for row in rows]
        if section == "meta":
            known = len(await self._usage())
            commands.append(("HSET", redis_key("meta"), "usage_rows", known))
        words: list[Word] = []
        for verb, key, *rest in commands:
            name = self._key(key.removeprefix(PREFIX)) if self._stage else key
            words += len(rest) + 2, verb, name, *rest
        await self._redis.change(scripts.RESTORE, *words)

    def _key(self, name: str) -> str:
        return redis_key(self._stage + name)

    async def close(self) -> None:
        """See StoreCopy."""
        await self._redis.close()


def _pairs(words: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(words[::2], words[1::2], strict=True))


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


def _learned_commands(rows: Sequence[Values]) -> list[Words]:
    """A value for each key, of the rows of its pools."""
    commands: list[Words] = []
    for name, group in groupby(sorted(rows, key=_by_key), key=lambda row: row[0]):
        each: list[Any] = list(group)
        newest = sorted(each, key=lambda row: row[4], reverse=True)
        value = value_of([(row[1], row[3], row[4], row[2]) for row in newest])
        used = max(row[5] for row in each)
        commands += [
            ("HSET", redis_key("learned"), name, value),
            ("ZADD", redis_key("learned:used"), repr(used), name),
            ("SADD", redis_key(f"learned:of:{newest[0][3]}"), name),
        ]
    return commands


def _by_key(row: Values) -> str:
    return str(row[0])


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


def _pool_row(name: bytes, value: bytes) -> list[Values]:
    row = pool_usage_of(name, value)
    times = json.dumps(row.times, separators=(",", ":"))
    return [(*row.key, row.calls, row.failed, row.journeys, times)]


def _pool_commands(
    endpoint: str, pool: str, day: int, cutover: int, *counts: Any
) -> list[Words]:
    *numbers, times = counts
    value = " ".join([*map(str, numbers), times.strip("[]")])
    field = f"{endpoint}\n{pool}\n{day}\n{cutover}"
    return [("HSET", redis_key("usage_pools"), field, value)]


def _days_row(name: bytes, value: bytes) -> list[Values]:
    row = user_days_of(name, value)
    days = f" {' '.join(map(str, row.days))} "
    return [(row.endpoint_key, row.pool_fqdn, row.aor, days)]


def _days_commands(endpoint: str, pool: str, aor: str, days: str) -> list[Words]:
    return [("HSET", redis_key("usage_days"), f"{endpoint}\n{pool}\n{aor}", days)]


def _unknown_row(name: bytes, value: bytes) -> list[Values]:
    row = unknown_of(name, value)
    head = row.endpoint_key, row.aor, row.first_at, row.last_at, row.count
    return [(*head, row.user_agent, row.epid, row.source)]


def _unknown_commands(
    address: str, aor: str, first: float, last: float, count: int, *rest: str
) -> list[Words]:
    field = field_of(address, aor)
    value = f"{first!r} {last!r} {count}\n{json.dumps(rest)}"
    commands: list[Words] = [("HSET", redis_key("unknown"), field, value)]
    if (address, aor) != NOBODY:
        worth = f"{worth_of(last, count):.3f}"
        commands.append(("ZADD", redis_key("unknown:worth"), worth, field))
    return commands


_READ: Final[dict[str, Callable[[bytes, bytes], list[Values]]]] = {
    "cutovers": _cutover,
    "audit": _audit,
    "bindings": _binding,
    "users": _user,
    "conflicts": _conflict,
    "usage_pools": _pool_row,
    "usage_days": _days_row,
    "unknown": _unknown_row,
    "access": _access,
    "access_used": _access_used,
}
_WRITE: Final[dict[str, Callable[..., list[Words]]]] = {
    "audit": _audit_commands,
    "bindings": _binding_commands,
    "conflicts": _conflict_commands,
    "usage": _usage_commands,
    "usage_pools": _pool_commands,
    "usage_days": _days_commands,
    "unknown": _unknown_commands,
    "access": _access_commands,
    "access_used": _access_used_commands,
}
