"""Small caches of what messages repeat: URIs, Via heads, From and To lines.

A dictionary costs a third of ``functools.lru_cache``, which wraps a key of bytes in a
tuple and moves links on every hit.  What is full starts again from nothing: most of
it is stale by then.
"""

from typing import Final, TypeVar

Value = TypeVar("Value")
KEPT: Final = 1024
_LONGEST: Final = 1024


def keep(cache: dict[bytes, Value], key: bytes, value: Value) -> None:
    """Remember ``value``; what is uncommonly long is not worth its memory."""
    if len(key) > _LONGEST:
        return
    if len(cache) >= KEPT:
        cache.clear()
    cache[key] = value
