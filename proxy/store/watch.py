"""The watch's part of the store: who does what only one process may do, and what all
of them have counted for the guard of a cutover."""

from collections.abc import Mapping
from typing import Protocol


class WatchStore(Protocol):
    """Every method may raise StoreError."""

    async def hold_lease(self, name: str, holder: str, seconds: float) -> str:
        """Take or renew a lease for so long; who holds it now, us or another.

        With 0 seconds it is given back.  It ends on the store's own clock.
        """

    async def add_guarded(self, cutover: int, counts: Mapping[str, int]) -> None:
        """Add to what was counted since a cutover; what was of earlier ones goes."""

    async def guarded(self, cutover: int) -> dict[str, int]:
        """Everything counted since a cutover, by all processes and nodes."""
