"""Small caches of what messages repeat: URIs, Via heads, From and To lines.

A dictionary costs a third of ``functools.lru_cache``, which wraps each key in a tuple
and moves links on every hit.  A full cache is emptied: most of its entries are stale by
then.
"""

from typing import Final, TypeVar

Value = TypeVar("Value")
KEPT: Final = 1024
_LONGEST: Final = 1024


def keep(cache: dict[bytes, Value], key: bytes, value: Value) -> None:
    """Remember ``value``, unless the key is too long to be worth its memory."""
    if len(key) > _LONGEST:
        return
    if len(cache) >= KEPT:
        cache.clear()
    cache[key] = value
