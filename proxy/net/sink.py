"""What the net layer tells: one object that the runtime hands in.

Every method is called from the event loop and must not block.  None of them is ever
called from inside ``send``, ``flush``, ``connect`` or ``close_flow``: what goes wrong
there is reported from the loop's next turn.  The counterpart in the core is
``core/events.py``.
"""

from typing import Protocol

from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow


class Sink(Protocol):
    """The receiver of everything that happens on the network."""

    def datagram(self, flow: Flow, data: bytes) -> None:
        """A UDP datagram; keep-alives are left out."""

    def message(self, flow: Flow, data: bytes) -> None:
        """One framed message of a stream."""

    def datagram_refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """A datagram of ours did not arrive; ``data`` is at least its beginning.

        ``refused`` and ``unreachable`` were told by ICMP or by the kernel;
        ``too-large``, ``not-permitted`` and ``error`` by the kernel alone.
        """

    def flow_opened(self, front_end: FrontEnd, flow: Flow) -> None:
        """The connection asked for exists."""

    def connect_failed(self, front_end: FrontEnd, reason: str, detail: str) -> None:
        """It does not: refused, connect-timeout, unreachable, tls or limit."""

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """A stream has ended; ``flow`` is no longer in the flow table."""

    def overloaded(self, is_overloaded: bool) -> None:
        """More comes in than is served (``net/datagrams/backlog``), or that is over."""

    def framing_failed(self, flow: Flow, data: bytes, status: int, reason: str) -> None:
        """A stream cannot be read on; it closes after what is sent from here."""
