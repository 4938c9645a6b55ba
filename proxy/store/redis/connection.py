"""One Redis, used by one call after the other, as an SQLite file is.

The order matters: a caller that loads the bindings while others are being saved must
get the state either before or after, and hand it on in that order.  No call is tried
again here, because a change whose answer was lost may have been made.  The exception is
a server that answers that it is not the master: it has certainly done nothing, so we
ask the master.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from hashlib import sha1
from typing import Any, Final, TypeVar

from redis import exceptions
from redis.asyncio import Redis

from proxy.config.redis_url import read_redis_url
from proxy.store.errors import StoreError
from proxy.store.redis.errors import LOST_DATA, NOT_CONFIRMED, RedisAway, store_error
from proxy.store.redis.places import Found, make_client, places_of
from proxy.store.redis.scripts import PREFIX, SET_UP

CONNECT_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 3.0
ASK_SECONDS: Final = 0.25
"""Seconds that a request may wait for a look-up."""
CONFIRM_SECONDS: Final = 1.0
LOOK_AGAIN: Final = 5.0
"""Seconds until we ask again which server is master, and whether it has a replica."""
AT_ONCE: Final = 1000
SCHEMA: Final = 2
_HOPS: Final = 3
_NOT_DONE: Final = (
    exceptions.AskError,  # and MOVED
    exceptions.ReadOnlyError,
    exceptions.TryAgainError,
)

Word = str | bytes | int | float
T = TypeVar("T")


class RedisConnection:
    """Commands and scripts; raises StoreError from every method."""

    def __init__(self, url: str) -> None:
        try:
            self._url = read_redis_url(url)
        except ValueError as error:
            raise StoreError(f"the URL of the Redis store is wrong: {error}") from None
        self.place = self._url.place
        self.hmac_key = b""
        self._places = places_of(self._url)
        self._identity = b""
        self._is_closed = False
        self._lock = asyncio.Lock()
        self._away = (
            ""  # why it cannot be reached; not the error, which holds its frames
        )
        self._away_at = float("-inf")
        self._found: Found | None = None
        self._looked_at = 0.0
        self._redis: Redis | None = None
        self._asker: Redis | None = None

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

    # -- which server to talk to -------------------------------------------------------

    async def _master(self) -> Redis:
        """The client of the master; raises RedisError or OSError."""
        now = asyncio.get_running_loop().time()
        is_due = self._places.may_move and now > self._looked_at + LOOK_AGAIN
        if self._redis is not None and not is_due:
            return self._redis
        self._looked_at = now
        try:
            found = await self._places.find()
        except (exceptions.RedisError, OSError):
            if self._redis is None:
                raise
            return self._redis  # go on with the one that we have
        if self._redis is None or self._found is None:
            return self._connect(found)
        if found.address != self._found.address:
            await self._let_go()
            return self._connect(found)
        self._found = found
        return self._redis

    def _connect(self, found: Found) -> Redis:
        try:
            self._asker = make_client(
                self._url, found.address, connect=ASK_SECONDS, answer=ASK_SECONDS
            )
            self._redis = make_client(
                self._url, found.address, connect=CONNECT_SECONDS, answer=ANSWER_SECONDS
            )
        except (ValueError, TypeError) as error:
            raise StoreError(f"the URL of the Redis store is wrong: {error}") from None
        self._found = found
        return self._redis

    async def _let_go(self) -> None:
        """The next call looks for the master again."""
        clients = self._redis, self._asker
        self._redis = self._asker = None
        for client in clients:
            if client is not None:
                with suppress(exceptions.RedisError, OSError):
                    await client.aclose()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The connection belongs to this caller for as long as the block lasts."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        if self._away and self._lock.locked():
            # Another caller is just finding out whether it is back: do not wait too.
            raise RedisAway(self._away)
        async with self._lock:
            if self._is_closed:
                raise StoreError("the store has been closed")
            if self._away and self._away_at > asked_at:
                # A caller that queued up behind a timeout need not wait for another
                # one.
                raise RedisAway(self._away)
            task = asyncio.current_task()
            cancels = task.cancelling() if task else 0
            try:
                yield
                self._away = ""
            except (exceptions.RedisError, OSError) as error:
                raise await self._worded(error) from None
            finally:
                # The client's own timeouts sometimes swallow a cancellation.  Raise it
                # again, or a stopping proxy would wait for us for ever.
                if task and task.cancelling() > cancels:
                    raise asyncio.CancelledError

    async def _worded(self, error: Exception) -> StoreError:
        """The error for our callers.

        The frame that raises it must not refer to it: the error refers to that frame,
        and with the garbage collector off such a cycle stays in memory, with all that
        was to be saved.  For the same reason it does not carry the client's own
        error, and that one forgets its frames: from Python 3.12 on they lead to
        ``contextlib``'s, which refers to the error.
        """
        error.__traceback__ = None
        worded = store_error(self.place, error)
        if worded.is_away:
            self._away, self._away_at = str(worded), asyncio.get_running_loop().time()
            await self._let_go()
        return worded

    async def _do(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """Let ``work`` talk to the master; try twice more when the server was not the
        master."""
        async with self._turn():
            for _ in range(_HOPS):
                redis = await self._master()
                try:
                    return await work(redis)
                except _NOT_DONE:
                    if not self._places.may_move:
                        raise
                    await self._let_go()
            raise exceptions.ConnectionError("another master is being chosen")

    # -- what others ask of it ---------------------------------------------------

    async def command(self, *words: Word) -> Any:
        """One command's answer."""
        return await self._do(lambda redis: _ask(redis, *words))

    async def script(self, text: str, *arguments: Word) -> Any:
        """Run a transaction of ``scripts``."""
        words = self._identity, *arguments
        return await self._do(lambda redis: _evaluate(redis, text, words))

    async def change(self, text: str, *arguments: Word) -> Any:
        """Run a transaction that we acknowledge, so the replicas must have it too
        (decision 67)."""
        words = self._identity, *arguments

        async def work(redis: Redis) -> Any:
            wanted = self._found.replicas if self._found else 0
            if not wanted:
                return await _evaluate(redis, text, words)
            result, confirmed = await _evaluate_and_wait(redis, text, words, wanted)
            if confirmed < wanted and not await self._is_alone():
                raise StoreError(f"the Redis store {self.place} {NOT_CONFIRMED}")
            return result

        return await self._do(work)

    async def _is_alone(self) -> bool:
        """True when a change may count without a replica: there is none any more."""
        if self._url.replicas is not None:
            return False
        before = self._found
        with suppress(exceptions.RedisError, OSError):
            found = await self._places.find()
            if before is not None and found.address != before.address:
                await self._let_go()  # the change went to a server that lost the role
                return False
            self._found = found
            return found.replicas == 0
        return False

    async def ask(self, text: str, *arguments: Word) -> Any:
        """Run a transaction that only reads, without waiting for other calls.

        SIP requests wait for it, so it fails after a quarter of a second.
        """
        redis = self._asker
        if redis is None or self._away:
            raise RedisAway(self._away or f"the Redis store {self.place} is away")
        try:
            return await _evaluate(redis, text, (self._identity, *arguments))
        except (exceptions.RedisError, OSError) as error:
            raise store_error(self.place, error) from error

    async def scan(
        self, name: str, take: Callable[[Mapping[bytes, bytes]], None]
    ) -> None:
        """Read a whole hash in steps, so that neither Redis nor we stop for long.

        ``take`` gets each field that is there all the time at least once.
        """

        async def work(redis: Redis) -> None:
            cursor: Any = 0
            while True:
                words = "HSCAN", redis_key(name), cursor, "COUNT", AT_ONCE
                cursor, found = await _ask(redis, *words)
                take(found)
                if not int(cursor):
                    return

        await self._do(work)

    async def version(self, name: str) -> int:
        """A counter; raises StoreError when the store has lost what it knew."""
        identity, value = await self.command(
            "HMGET", redis_key("meta"), "identity", name
        )
        if identity != self._identity or value is None:
            raise StoreError(f"the Redis store {self.place} {LOST_DATA}")
        return int(value)

    async def close(self) -> None:
        """Close the connections; closing twice is allowed."""
        self._is_closed = True
        await self._let_go()


def redis_key(name: str) -> str:
    """The name of a key of ours."""
    return PREFIX + name


@lru_cache(maxsize=64)
def _sha(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


async def _ask(redis: Redis, *words: Word) -> Any:
    command: Callable[..., Awaitable[Any]] = redis.execute_command
    return await command(*words)


async def _evaluate(redis: Redis, text: str, words: tuple[Word, ...]) -> Any:
    """Run a script by its checksum, or by its text if Redis does not have it yet."""
    try:
        return await _ask(redis, "EVALSHA", _sha(text), 1, PREFIX, *words)
    except exceptions.NoScriptError:
        return await _ask(redis, "EVAL", text, 1, PREFIX, *words)


async def _evaluate_and_wait(
    redis: Redis, text: str, words: tuple[Word, ...], wanted: int
) -> tuple[Any, int]:
    """Run a script; returns its result, and how many replicas have what it wrote.

    WAIT is sent in the same pipeline, because it counts for the writes of its own
    connection.
    """
    for command, body in (("EVALSHA", _sha(text)), ("EVAL", text)):
        pipe: Any = redis.pipeline(transaction=False)
        pipe.execute_command(command, body, 1, PREFIX, *words)
        pipe.execute_command("WAIT", wanted, int(CONFIRM_SECONDS * 1000))
        result, confirmed = await pipe.execute(raise_on_error=False)
        if isinstance(result, exceptions.NoScriptError):
            continue
        for each in (result, confirmed):
            if isinstance(each, Exception):
                raise each
        return result, int(confirmed)
    raise exceptions.ResponseError("Redis forgets scripts at once")
