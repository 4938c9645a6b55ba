"""The ledger's part of the store: who used an endpoint, and an operator's notes."""

from collections.abc import Sequence
from typing import Final, Protocol

from proxy.endpoints.pool_usage import PoolUsage, UserDays
from proxy.endpoints.usage import Usage
from proxy.store.actor import Actor

FORGOTTEN: Final = "usage.forget", "usage"
"""Verb and kind in the history of what ``forget_user`` does."""
MAX_USERS: Final = 200_000
"""Rows of the ledger: beyond that, new names are counted together."""


class LedgerStore(Protocol):
    """Every method may raise StoreError."""

    async def add_usage(
        self,
        rows: Sequence[Usage],
        pools: Sequence[PoolUsage] = (),
        users: Sequence[UserDays] = (),
    ) -> None:
        """Add counts to those of each endpoint and client, and of each pool, all or
        none."""

    async def add_unknown(self, rows: Sequence[Usage]) -> None:
        """Add counts of addresses that nobody serves (``endpoints.unknown``).

        The number of rows is limited; the rest is counted without a name.
        """

    async def unknown(self) -> list[Usage]:
        """Every address that nobody serves with each caller, the latest first.

        The address is the ``endpoint_key`` of a row.
        """

    async def unknown_held(self) -> tuple[int, int]:
        """For addresses that nobody serves: the number of rows with a name, and of
        requests that are counted without one."""

    async def pool_usage(self, endpoint_key: str | None = None) -> list[PoolUsage]:
        """The counts of each pool for the calls to one endpoint or to all."""

    async def user_days(self, endpoint_key: str | None = None) -> list[UserDays]:
        """On which days each user called which pool."""

    async def forget_days(self, before: int) -> int:
        """Forget days before this one, and unknown addresses dialled last before it;
        returns how many rows."""

    async def forget_user(self, aor: str, actor: Actor, now: float) -> int:
        """Forget a user everywhere in the ledger; returns how many rows.

        That includes the user's address where others dialled it and nobody served it.
        The totals of pools stay, because they name nobody.  The history says who did
        this, and how many rows went (``rows_text``).
        """

    async def usage(self, endpoint_key: str | None = None) -> list[Usage]:
        """Every client of one endpoint or of all, the latest first.

        Endpoints that were removed are included.
        """

    async def note(self, name: str) -> str:
        """What was noted under a name; empty when nothing was."""

    async def set_note(self, name: str, body: str) -> None:
        """Note something, in place of what was there; empty forgets it."""


def rows_text(count: int) -> str:
    """The text that stands in the history in place of the name of a forgotten user."""
    return "1 row" if count == 1 else f"{count} rows"
