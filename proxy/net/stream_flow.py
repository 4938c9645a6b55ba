"""The flow of a stream connection, and how bytes reach any flow."""

from typing import Protocol

from proxy.net.datagrams.udp import UdpListener
from proxy.sip.flow import Flow, Listener


class Connection(Protocol):
    """What a stream flow holds; ``stream.StreamConnection``."""

    def send(self, data: bytes) -> None:
        """Queue one message; it leaves with the others of this batch."""

    def close(self, reason: str) -> None:
        """Close after what is queued has been written."""


class StreamFlow(Flow):
    """A flow that holds its connection."""

    __slots__ = ("connection",)

    def __init__(
        self,
        listener: Listener,
        host: str,
        port: int,
        connection_id: int,
        connection: Connection,
    ) -> None:
        super().__init__(listener, host, port, connection_id)
        self.connection = connection


class Sender:
    """Sends on any flow; ``udp`` are the datagram listeners by index."""

    __slots__ = ("udp",)

    def __init__(self) -> None:
        self.udp: dict[int, UdpListener] = {}

    def send(self, flow: Flow, data: bytes) -> None:
        """Send now (UDP) or at the end of this batch (streams)."""
        if isinstance(flow, StreamFlow):
            flow.connection.send(data)
        else:
            self.udp[flow.listener.index].send(flow, data)
