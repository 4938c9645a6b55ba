"""What a process that is one of several workers asks of its siblings.

``workers/links.py`` implements it; nothing here imports that package (decision 64).
"""

from collections.abc import Sequence
from typing import Any, Protocol

from proxy.core.siblings.directory import Siblings
from proxy.location.binding import BindingChange
from proxy.pools.health import Ejection
from proxy.sip.flow import Flow


class Links(Protocol):
    """The way to the other workers of this node.

    ``handed_over``, ``sent_for_siblings`` and ``frames_dropped`` count for telemetry.
    """

    siblings: Siblings
    handed_over: int
    sent_for_siblings: int

    @property
    def frames_dropped(self) -> int:
        """Frames that could not be sent to a sibling."""

    def hand_over(self, worker: int, flow: Flow, data: bytes, reason: str) -> None:
        """Give a message, or a datagram that ICMP gave back, to its worker."""

    def flow_closed(self, flow: Flow) -> None:
        """A connection of ours has ended: tell the siblings that sent on it."""

    def tell(self, news: Any) -> None:
        """Tell every sibling something; ``news`` is made of JSON's types."""

    def tell_ejection(self, news: Ejection) -> None:
        """Tell every sibling that a front end is dead, or alive again."""

    async def tell_bindings(self, changes: Sequence[BindingChange]) -> None:
        """Return once every sibling has confirmed, or after a limit."""

    def close(self) -> None:
        """Stop listening to siblings, and close the links to them."""
