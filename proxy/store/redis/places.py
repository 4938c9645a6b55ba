"""Where the Redis is that may be written now: a fixed one, or the present master.

Every key of ours is in one hash slot, so a cluster is one master to us, as with
sentinels (decision 69).  This module only finds it; ``connection.py`` talks to it.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from proxy.config.redis_url import Address, RedisUrl
from proxy.store.redis.scripts import PREFIX

LOOK_SECONDS: Final = 0.5
"""Seconds for one sentinel or node to name the master."""
_DOWN: Final = frozenset({b"s_down", b"o_down", b"disconnected"})


@dataclass(frozen=True, slots=True)
class Found:
    """The master's address, and how many replicas have to confirm a change."""

    address: Address
    replicas: int


class Places(Protocol):
    """``may_move`` when another server can become the master."""

    may_move: bool

    async def find(self) -> Found:
        """The present master; raises RedisError or OSError when none can name it."""


def places_of(url: RedisUrl) -> Places:
    """How the master of a URL is found."""
    match url.kind:
        case "sentinel":
            return _Sentinels(url)
        case "cluster":
            return _Cluster(url)
    return _Fixed(url)


def make_client(
    url: RedisUrl,
    address: Address,
    *,
    connect: float,
    answer: float,
    is_sentinel: bool = False,
) -> Redis:
    """A client of one server; ``connect`` and ``answer`` in seconds."""
    user, password = url.user, url.password
    if is_sentinel:
        user, password = url.sentinel_user, url.sentinel_password
    return Redis(
        host=address[0],
        port=address[1],
        db=0 if is_sentinel else url.database,
        username=user,
        password=password,
        ssl=url.is_tls,
        protocol=2,
        client_name="waypost",
        socket_connect_timeout=connect,
        socket_timeout=answer,
        retry=Retry(NoBackoff(), 0),
        **url.tls,  # type: ignore[arg-type]
    )


class _Fixed:
    may_move = False

    def __init__(self, url: RedisUrl) -> None:
        self._found = Found(url.hosts[0], url.replicas or 0)

    async def find(self) -> Found:
        return self._found


class _Several(ABC):
    """The servers that can name the master; the one that last did is asked first."""

    may_move = True
    is_sentinel = False

    def __init__(self, url: RedisUrl) -> None:
        self.url = url
        self.hosts = list(url.hosts)

    async def find(self) -> Found:
        last: Exception = exceptions.ConnectionError("nobody to ask")
        for address in list(self.hosts):
            client = make_client(
                self.url,
                address,
                connect=LOOK_SECONDS,
                answer=LOOK_SECONDS,
                is_sentinel=self.is_sentinel,
            )
            try:
                found = await self.ask(client.execute_command, address)
            except (exceptions.RedisError, OSError) as error:
                last = error
                continue
            finally:
                await client.aclose()
            self.hosts.remove(address)
            self.hosts.insert(0, address)
            wanted = self.url.replicas
            return found if wanted is None else Found(found.address, wanted)
        raise last

    @abstractmethod
    async def ask(
        self, command: Callable[..., Awaitable[Any]], address: Address
    ) -> Found:
        """The master as the server at ``address`` names it."""


class _Sentinels(_Several):
    is_sentinel = True

    async def ask(
        self, command: Callable[..., Awaitable[Any]], address: Address
    ) -> Found:
        name = self.url.master
        master = await command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        if not master:
            raise exceptions.ResponseError(
                f'the sentinels do not know a master "{name}": check the name in url'
            )
        replicas = await command("SENTINEL", "REPLICAS", name)
        live = sum(map(_is_live, replicas))
        return Found((master[0].decode(), int(master[1])), min(live, 1))


def _is_live(replica: Iterable[Any]) -> bool:
    """Whether a replica is alive; a sentinel describes it as names and values in
    turn."""
    words = list(replica)
    facts: dict[bytes, bytes] = dict(zip(words[::2], words[1::2], strict=True))
    flags = facts.get(b"flags", b"").split(b",")
    return facts.get(b"master-link-status") == b"ok" and not _DOWN & set(flags)


class _Cluster(_Several):
    async def ask(
        self, command: Callable[..., Awaitable[Any]], address: Address
    ) -> Found:
        slot = key_slot(PREFIX.encode())
        mine: Found | None = None
        for first, last, *nodes in await command("CLUSTER", "SLOTS"):
            addresses = [_node(node, address) for node in nodes]
            for each in addresses:
                if each not in self.hosts:
                    self.hosts.append(each)
            if first <= slot <= last:
                mine = Found(addresses[0], min(len(nodes) - 1, 1))
        if mine is None:
            raise exceptions.ClusterDownError(f"nobody serves hash slot {slot}")
        return mine


def _node(words: list[Any], asked: Address) -> Address:
    """The address of a node; without a name it is the node that was asked."""
    host = words[0].decode() if words[0] else ""
    return host if host not in ("", "?") else asked[0], int(words[1])
