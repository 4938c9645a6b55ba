"""The nodes' part of the store: the nodes that share it, and their addresses."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One node.

    ``number`` (1 to 65535) stays its own and stands in flow tokens; ``uri`` is its own
    SIP address and its name; ``seen_at`` is its own clock at its last sign of life, 0
    once it has said goodbye.
    """

    number: int
    uri: str
    seen_at: float


class NodeStore(Protocol):
    """Every method may raise StoreError."""

    async def announce_node(self, uri: str, seen_at: float) -> int:
        """A sign of life, or 0 for a goodbye; the node's number."""

    async def nodes(self) -> list[NodeRecord]:
        """Every node that was ever announced, by number."""
