"""The store's part for news: what others have changed since the last question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from proxy.location.binding import Binding, BindingChange


@dataclass(frozen=True, slots=True)
class News:
    """What is new after a mark.

    ``mark`` is for the next question; only the store understands it.  ``is_table`` and
    ``is_users`` say that these have changed.  ``bindings`` are those that others set or
    removed, as they are now; None when the store can no longer tell, so that all must
    be loaded.  ``is_all`` is False when there is more to ask for.
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
    """What the store knows of one AOR: its live bindings, and the pools that handed it
    out.

    ``learned`` has (URI, pool, endpoint) of a service URI, one for each pool.
    """

    aor: str
    bindings: Sequence[Binding]
    learned: Sequence[tuple[str, str, str]] = ()


class NewsStore(Protocol):
    """Every method may raise StoreError."""

    async def news(self, mark: str) -> News:
        """What has changed since a mark; after the empty mark everything is new.

        The store reports every change after it was made, however long ago the last
        question was.  It may leave out changes that this store object made itself.
        """

    async def look_up(self, aors: Sequence[str], now: float) -> list[Known]:
        """What the store knows of each AOR.  Requests wait for it, so it answers soon
        or raises StoreError."""
