"""News and look-ups of the Redis store: the stream ``changes``, read from a mark on."""

from collections.abc import Sequence
from typing import Final

from proxy.location.binding import BindingChange
from proxy.store.news import Known, News
from proxy.store.redis import scripts
from proxy.store.redis.connection import RedisConnection
from proxy.store.redis.learned import rows_of
from proxy.store.redis.registrar import binding_from_json, names_in

AT_ONCE: Final = 1000
"""Bindings in one answer at most, so that other callers need not wait long."""


class RedisNews:
    """What others did; ``_redis`` and ``_origin`` are set by the whole."""

    _redis: RedisConnection
    _origin: str

    async def news(self, mark: str) -> News:
        """See NewsStore."""
        words = mark, self._origin, AT_ONCE
        found = await self._redis.script(scripts.NEWS, *words)
        newest = found[0].decode()
        if len(found) == 1:
            return News(newest, True, True, None)
        is_table, is_users, fields, values = found[1:]
        changes = []
        for field, value in zip(fields, values, strict=True):
            after = None if value is None else binding_from_json(value)
            changes.append(BindingChange(*names_in(field), after))
        is_all = newest == mark or len(changes) < AT_ONCE
        return News(newest, bool(is_table), bool(is_users), changes, is_all)

    async def look_up(self, aors: Sequence[str], now: float) -> list[Known]:
        """See NewsStore."""
        found = await self._redis.ask(scripts.LOOK_UP, *aors)
        return [
            _known(aor, now, learned, values)
            for aor, learned, values in zip(aors, found[::2], found[1::2], strict=True)
        ]


def _known(aor: str, now: float, learned: bytes | None, values: list[bytes]) -> Known:
    bindings = [binding_from_json(each) for each in values if each is not None]
    live = [each for each in bindings if each.expires_at > now]
    rows = [] if learned is None else rows_of(learned)
    # The oldest first: the router takes them one by one and ends with the newest.
    claims = [(uri, pool, endpoint) for pool, endpoint, _, uri in reversed(rows)]
    return Known(aor, live, claims)
