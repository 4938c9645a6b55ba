"""The store's part for what several processes watch together: leases for work that only
one of them may do, and the counts for the guard of a cutover."""

from collections.abc import Mapping
from typing import Protocol


class WatchStore(Protocol):
    """Every method may raise StoreError."""

    async def hold_lease(self, name: str, holder: str, seconds: float) -> str:
        """Take or renew a lease for ``seconds``; returns who holds it now.

        With 0 seconds we give it back.  It ends by the store's own clock.
        """

    async def add_guarded(self, cutover: int, counts: Mapping[str, int]) -> None:
        """Add to the counts since a cutover; those of earlier cutovers are dropped."""

    async def guarded(self, cutover: int) -> dict[str, int]:
        """The counts since a cutover, of all processes and nodes."""
