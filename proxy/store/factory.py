"""From a store's URL to the store."""

from pathlib import Path

from proxy.config.redis_url import SCHEMES
from proxy.store.copying import StoreCopy
from proxy.store.errors import StoreError
from proxy.store.interface import Store


def sqlite_path(url: str) -> Path | None:
    """The file of an ``sqlite:///`` URL; None for any other store."""
    prefix, separator, name = url.partition(":///")
    return Path(name) if prefix == "sqlite" and separator and name else None


async def open_store(url: str) -> Store:
    """Open the store of a URL; make or migrate it if necessary.  Raises StoreError."""
    path = sqlite_path(url)
    if path is not None:
        from proxy.store.sqlite.store import SqliteStore

        return await SqliteStore.open(path)
    scheme = url.partition(":")[0]
    if scheme in SCHEMES:
        # Imported here, because an embedded store does not need the megabytes of its
        # client.
        from proxy.store.redis.store import RedisStore

        return await RedisStore.open(url)
    raise _unknown(scheme)


async def open_copy(url: str, *, is_source: bool) -> StoreCopy:
    """Open one end of a move; a source must exist, and a target is made."""
    path = sqlite_path(url)
    if path is not None:
        if is_source and not path.is_file():
            raise StoreError(f"there is no store {path}: name the file to move from")
        from proxy.store.sqlite.copying import SqliteCopy

        return SqliteCopy(path)
    scheme = url.partition(":")[0]
    if scheme not in SCHEMES:
        raise _unknown(scheme)
    from proxy.store.redis.connection import RedisConnection
    from proxy.store.redis.copying import RedisCopy

    redis = RedisConnection(url)
    try:
        await redis.set_up(must_exist=is_source)
    except BaseException:
        await redis.close()
        raise
    return RedisCopy(redis)


def _unknown(scheme: str) -> StoreError:
    return StoreError(
        f'the store "{scheme}" is not known: in section [store] write '
        'url = "sqlite:////var/lib/waypost/waypost.db" or '
        '"redis://user:password@host:6379/0" (also redis+sentinel, redis+cluster)'
    )
