"""What the net layer reports, to one object that the runtime hands in.

The event loop calls every method, so none may block.  None of them is ever called from
inside ``send``, ``flush``, ``connect`` or ``close_flow``: a failure there is reported
in the next turn of the loop.  The counterpart in the core is ``core/events.py``.
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

        The reasons ``refused`` and ``unreachable`` come from ICMP or from the kernel;
        ``too-large``, ``not-permitted`` and ``error`` come from the kernel alone.
        """

    def flow_opened(self, front_end: FrontEnd, flow: Flow) -> None:
        """A connection that was asked for exists."""

    def connect_failed(self, front_end: FrontEnd, reason: str, detail: str) -> None:
        """A connection could not be opened.

        ``reason`` is refused, connect-timeout, unreachable, tls or limit; ``detail`` is
        a sentence for people.
        """

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """A stream has ended; ``flow`` is no longer in the flow table."""

    def overloaded(self, is_overloaded: bool) -> None:
        """More comes in than we can serve (``datagrams/backlog.py``), or no longer."""

    def framing_failed(self, flow: Flow, data: bytes, status: int, reason: str) -> None:
        """A stream cannot be read any further (``sip/framing.py``).

        It is closed after this call, so the answer must be sent in it.
        """
