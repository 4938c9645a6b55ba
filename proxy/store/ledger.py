"""The ledger's part of the store: who used an endpoint, and an operator's notes."""

from collections.abc import Sequence
from typing import Final, Protocol

from proxy.endpoints.usage import Usage

MAX_USERS: Final = 200_000
"""Rows of the ledger: beyond that, new names are counted together."""


class LedgerStore(Protocol):
    """Every method may raise StoreError."""

    async def add_usage(self, rows: Sequence[Usage]) -> None:
        """Add counts to what is known of each endpoint and client, all or none."""

    async def usage(self, endpoint_key: str | None = None) -> list[Usage]:
        """Every client of one endpoint or of all, the latest first.

        Of endpoints that were removed, too.
        """

    async def note(self, name: str) -> str:
        """What was noted under a name; empty when nothing was."""

    async def set_note(self, name: str, body: str) -> None:
        """Note something, in place of what was there; empty forgets it."""
