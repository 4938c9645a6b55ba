"""What others have changed in the store: how a running proxy keeps up with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.location.binding import Binding, BindingChange


@dataclass(frozen=True, slots=True)
class News:
    """What is new after a mark.

    ``mark`` is what to ask with next time; it means nothing to the asker.
    ``is_table`` and ``is_users`` say that these have changed.  ``bindings`` are those
    that others set or removed, as they are now; None when that cannot be told any
    more, so that all must be loaded.  ``is_all`` is False when there is more to ask.
    """

    mark: str
    is_table: bool
    is_users: bool
    bindings: Sequence[BindingChange] | None
    is_all: bool = True

    @property
    def is_empty(self) -> bool:
        """True when nothing is new."""
        return not (self.is_table or self.is_users or self.bindings is None) and (
            not self.bindings
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of one AOR: its live bindings, and the pool that handed it
    out.

    ``learned`` are (URI, pool, endpoint) of a service URI, one for each pool.
    """

    aor: str
    bindings: Sequence[Binding]
    learned: Sequence[tuple[str, str, str]] = ()


class NewsStore(Protocol):
    """Every method may raise StoreError."""

    async def news(self, mark: str) -> News:
        """What has changed since a mark; everything is new after the empty one.

        The store reports a change after it was made and never misses one, however long
        the last question is ago.  It may leave out what this very store object saved
        itself.
        """

    async def look_up(self, aors: Sequence[str], now: float) -> list[Known]:
        """What is known of each AOR, for requests that wait: quick, or StoreError."""
