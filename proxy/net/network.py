"""The network as the runtime sees it: open, send, connect, close, and one sink.

This module only joins the parts: ``udp`` and ``acceptor`` listen, ``stream`` is a
connection, ``connector`` opens one, ``outbox`` writes.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.net.acceptor import Acceptor
from proxy.net.admission import Admission
from proxy.net.connector import Connector
from proxy.net.datagrams.backlog import Pressure
from proxy.net.datagrams.udp import UdpListener
from proxy.net.outbox import Outbox
from proxy.net.settings import (
    DEFAULT_ADMISSION,
    DEFAULT_STREAM,
    AdmissionSettings,
    StreamSettings,
)
from proxy.net.sink import Sink
from proxy.net.stream import Streams
from proxy.net.stream_flow import Sender, StreamFlow
from proxy.net.tls import TlsEnd
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow, FlowTable, Listener


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """How one listener is opened: its end of TLS, a socket handed over, sharing."""

    tls: TlsEnd | None = None
    opened: socket.socket | None = None
    reuse_port: bool = False


_PLAIN: Final = ListenOptions()


class Network:
    """Every socket of the proxy.

    Listeners are those of ``flows``; ``options`` are by ``Listener.index``.
    ``batch_ended`` is called after each batch of sink calls, before the bytes of the
    batch are written.  The runtime sets its timer there, once for the whole batch.
    """

    def __init__(
        self,
        flows: FlowTable,
        sink: Sink,
        *,
        options: Mapping[int, ListenOptions] | None = None,
        client_tls: TlsEnd | None = None,
        pool_tls: Mapping[str, TlsEnd] | None = None,
        streams: StreamSettings = DEFAULT_STREAM,
        admission: AdmissionSettings = DEFAULT_ADMISSION,
        batch_ended: Callable[[], None] | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.flows = flows
        self.outbox = Outbox(loop, batch_ended)
        self._pressure = Pressure(sink.overloaded)
        self.streams = Streams(loop, flows, sink, self.outbox, streams)
        self.admission = Admission(loop.time, admission)
        flows.is_friend = self.admission.is_friend
        self.connector = Connector(
            self.streams, admission, self.admission, client_tls, pool_tls
        )
        self.sender = Sender()
        self.udp = self.sender.udp
        self.acceptors: list[Acceptor] = []
        self._sink = sink
        self._options = options or {}
        self._admission_settings = admission
        self._loop = loop
        self._sweeper: asyncio.TimerHandle | None = None
        self.flush = self.outbox.flush
        self.send = self.sender.send

    async def open(self) -> None:
        """Bind every listener; none stays open when one fails.  Raises NetError."""
        try:
            for listener in self.flows.listeners:
                self._open(listener, self._options.get(listener.index, _PLAIN))
                outlet = listener.outlet
                if outlet is not listener:
                    self._open(outlet, self._options.get(outlet.index, _PLAIN))
        except BaseException:
            await self.close()
            raise
        self._sweep()

    def connect(self, front_end: FrontEnd, listener: Listener, timeout: float) -> None:
        """Open a connection; calls the sink's ``flow_opened`` or ``connect_failed``."""
        self.connector.connect(front_end, listener, timeout)

    def know(self, hosts: frozenset[str]) -> None:
        """Treat these numeric addresses, of pools and nodes, as friends."""
        self.admission.known = hosts
        for flow in self.flows.udp_flows.values():
            if flow.host in hosts:
                flow.is_proven = True

    def close_flow(self, flow: Flow, reason: str) -> None:
        """Close a stream after what is queued on it; calls ``flow_closed``."""
        if isinstance(flow, StreamFlow):
            flow.connection.close(reason)

    def stop_accepting(self) -> None:
        """Accept no new connections; those that exist and UDP go on."""
        for acceptor in self.acceptors:
            acceptor.stop_accepting()

    async def close(self) -> None:
        """Write what is queued, close everything, and wait a moment for the peers."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.connector.close()
        for acceptor in self.acceptors:
            acceptor.close()
        self.flush()
        for connection in list(self.streams.connections):
            connection.close("shutdown")
        deadline = self._loop.time() + self.streams.settings.close
        while self.streams.connections and self._loop.time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self.streams.connections):
            connection.abort("shutdown")
        for listener in self.udp.values():
            listener.close()
        await asyncio.sleep(0)  # transports close their sockets on the next turn

    def _open(self, listener: Listener, options: ListenOptions) -> None:
        if listener.transport == "udp":
            udp = UdpListener(
                *(listener, self.flows, self._sink, self.outbox, self._pressure)
            )
            udp.open(options.opened, reuse_port=options.reuse_port)
            self.udp[listener.index] = udp
            return
        acceptor = Acceptor(
            listener,
            self.streams,
            self.admission,
            self._admission_settings,
            options.tls,
        )
        acceptor.open(options.opened, reuse_port=options.reuse_port)
        self.acceptors.append(acceptor)

    def _sweep(self) -> None:
        # Set the timer first: if this sweep raises, there still is a next one.
        self._sweeper = self._loop.call_later(self.streams.settings.sweep, self._sweep)
        self.streams.sweep()
