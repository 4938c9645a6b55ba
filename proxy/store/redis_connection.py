"""One Redis, used by one call after the other, as one SQLite file is.

The order matters: whoever loads the bindings while others are saved must get them
either before or after, and hand them on in that order.  Nothing is tried again here:
a change whose answer got lost may have been made.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from proxy.store.interface import StoreError
from proxy.store.redis_errors import LOST_DATA, RedisAway, store_error
from proxy.store.redis_scripts import PREFIX, SET_UP

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 3.0
AT_ONCE: Final = 1000
SCHEMA: Final = 1

Word = str | bytes | int | float


class RedisConnection:
    """Commands and scripts; raises StoreError from every method."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.place = f"{parts.hostname}:{parts.port or 6379}{parts.path}"
        self.hmac_key = b""
        self._identity = b""
        self._is_closed = False
        self._lock = asyncio.Lock()
        self._away: RedisAway | None = None
        self._away_at = float("-inf")
        try:
            self._redis = Redis.from_url(
                url,
                protocol=2,
                client_name="waypost",
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError) as error:
            raise StoreError(f"the URL of the Redis store is wrong: {error}") from None
        self._ask: Callable[..., Awaitable[Any]] = self._redis.execute_command

    async def set_up(self, *, must_exist: bool = False) -> None:
        """Make the store when there is none, and remember which one it is."""
        if must_exist and not await self.command("EXISTS", redis_key("meta")):
            raise StoreError(f"there is no store in the Redis {self.place}")
        made = SCHEMA, secrets.token_hex(16), secrets.token_bytes(32)
        found = await self.command("EVAL", SET_UP, 1, PREFIX, *made)
        schema, self._identity, self.hmac_key = int(found[0]), found[1], found[2]
        if schema > SCHEMA:
            raise StoreError(
                f"the Redis store {self.place} was written by a newer waypost (schema "
                f"{schema}, this one knows up to {SCHEMA}): upgrade this one"
            )

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The connection is nobody else's for as long as the block lasts."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        async with self._lock:
            if self._is_closed:
                raise StoreError("the store has been closed")
            if self._away is not None and self._away_at > asked_at:
                # Whoever queued up behind a timeout need not wait for another one.
                raise RedisAway(str(self._away))
            task = asyncio.current_task()
            cancels = task.cancelling() if task else 0
            try:
                yield
            except (exceptions.RedisError, OSError) as error:
                worded = store_error(self.place, error)
                if isinstance(worded, RedisAway):
                    self._away, self._away_at = worded, loop.time()
                raise worded from error
            finally:
                # The client's own timeouts now and then swallow a cancellation: a
                # proxy that stops would wait for us for ever.
                if task and task.cancelling() > cancels:
                    raise asyncio.CancelledError

    async def command(self, *words: Word) -> Any:
        """One command's answer."""
        async with self._turn():
            return await self._ask(*words)

    async def script(self, text: str, *arguments: Word) -> Any:
        """Run a transaction of ``redis_scripts``."""
        async with self._turn():
            script = self._redis.register_script(text)
            return await script([PREFIX], [self._identity, *arguments])

    async def scan(
        self, name: str, take: Callable[[Mapping[bytes, bytes]], None]
    ) -> None:
        """A whole hash in steps, so that neither Redis nor we stand still.

        What is there all the time is handed to ``take`` once or more.
        """
        cursor: Any = 0
        async with self._turn():
            while True:
                cursor, found = await self._ask(
                    "HSCAN", redis_key(name), cursor, "COUNT", AT_ONCE
                )
                take(found)
                if not int(cursor):
                    return

    async def version(self, name: str) -> int:
        """A counter; raises StoreError when the store has lost what it knew."""
        identity, value = await self.command(
            "HMGET", redis_key("meta"), "identity", name
        )
        if identity != self._identity or value is None:
            raise StoreError(f"the Redis store {self.place} {LOST_DATA}")
        return int(value)

    async def close(self) -> None:
        """Hang up; closing twice is allowed."""
        self._is_closed = True
        await self._redis.aclose()


def redis_key(name: str) -> str:
    """The name of a key of ours."""
    return PREFIX + name
