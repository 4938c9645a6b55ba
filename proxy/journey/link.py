"""Links: a TCP or TLS connection, or one peer of a UDP socket, with one face.

Both ends of the lab talk through it.  A link delivers whole messages to the callback
it was made with and knows nothing of transactions.
"""

import asyncio
import socket
import struct
from abc import abstractmethod
from collections.abc import Callable
from typing import cast

from proxy.journey.wire import Framer, Message, WireError, parse_datagram

Address = tuple[str, int]
OnMessage = Callable[["Link", Message, bytes], None]
OnLink = Callable[["Link"], None]


class Link:
    """One way to a peer."""

    transport = ""
    local: Address
    peer: Address
    is_open = True

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Send these bytes: one datagram, or one write."""

    def close(self) -> None:
        """Close in order; a UDP link has nothing to close."""

    def reset(self) -> None:
        """Close a stream with RST."""

    def half_close(self) -> None:
        """Send FIN and go on reading."""

    def pause(self) -> None:
        """Stop reading, so that the peer's window fills up."""


class StreamLink(Link, asyncio.Protocol):
    """A TCP or TLS connection, accepted or opened."""

    def __init__(
        self,
        on_message: OnMessage,
        on_open: OnLink | None = None,
        on_lost: OnLink | None = None,
        transport: str = "tcp",
    ) -> None:
        self.transport = transport
        self.error = ""
        self._on_message, self._on_open, self._on_lost = on_message, on_open, on_lost
        self._framer = Framer()
        self._stream: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._stream = transport
        self.local = transport.get_extra_info("sockname")[:2]
        self.peer = transport.get_extra_info("peername")[:2]
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        try:
            for message, raw in self._framer.feed(data):
                self._on_message(self, message, raw)
        except (WireError, ValueError) as problem:
            self.error = str(problem)
            self.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self.error = self.error or (str(exc) if exc else "closed by the peer")
        if self._on_lost is not None:
            self._on_lost(self)

    def send(self, data: bytes) -> None:
        if self._stream is not None and not self._stream.is_closing():
            self._stream.write(data)

    def close(self) -> None:
        self.is_open = False
        if self._stream is not None:
            self._stream.close()

    def reset(self) -> None:
        self.is_open = False
        if self._stream is not None:
            raw = self._stream.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._stream.abort()

    def half_close(self) -> None:
        if self._stream is not None and self._stream.can_write_eof():
            self._stream.write_eof()

    def pause(self) -> None:
        if self._stream is not None:
            self._stream.pause_reading()


class DatagramLink(Link):
    """One peer of a UDP socket."""

    transport = "udp"

    def __init__(self, owner: "DatagramSocket", peer: Address) -> None:
        self._owner = owner
        self.local = owner.local
        self.peer = peer

    def send(self, data: bytes) -> None:
        self._owner.send(data, self.peer)

    def close(self) -> None:
        """Nothing: the socket belongs to its owner."""


class DatagramSocket(asyncio.DatagramProtocol):
    """A bound UDP socket and the peers it heard of."""

    local: Address

    def __init__(self, on_message: OnMessage) -> None:
        self._on_message = on_message
        self._links: dict[Address, DatagramLink] = {}
        self._socket: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # 3.11's own datagram transport is no instance of the documented class.
        self._socket = cast(asyncio.DatagramTransport, transport)
        self.local = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not data.strip(b"\r\n\0"):
            return
        try:
            message = parse_datagram(data.lstrip(b"\r\n"))
        except WireError:
            return
        self._on_message(self.link(addr[:2]), message, data)

    def link(self, peer: Address) -> DatagramLink:
        """The link to this peer."""
        link = self._links.get(peer)
        if link is None:
            link = self._links[peer] = DatagramLink(self, peer)
        return link

    def send(self, data: bytes, peer: Address) -> None:
        """Send one datagram; nothing happens once the socket is closed."""
        if self._socket is not None and not self._socket.is_closing():
            self._socket.sendto(data, peer)

    def close(self) -> None:
        """Close the socket at once."""
        if self._socket is not None:
            self._socket.abort()
