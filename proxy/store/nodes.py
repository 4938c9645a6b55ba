"""The nodes' part of the store: the nodes that share it, and their addresses."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node.

    ``number`` (1 to 65535) never changes, for it stands in flow tokens.  ``uri`` is its
    own SIP address, by which it is known.  ``seen_at`` is the time of its own clock at
    its last sign of life, 0 once it has taken itself out.
    """

    number: int
    uri: str
    seen_at: float


class NodeStore(Protocol):
    """Every method may raise StoreError."""

    async def announce_node(self, uri: str, seen_at: float) -> int:
        """Note a sign of life of a node, or with 0 its end; returns its number."""

    async def nodes(self) -> list[NodeRecord]:
        """Every node that was ever announced, by number."""
