"""A TCP connection served straight from the loop's wait, without asyncio's transport.

It is what ``StreamConnection`` needs of a transport and no more; ``tls_transport.py``
is the same for TLS.  As with asyncio's, the protocol hears of an end from the loop's
next turn, never from inside ``write``, ``close`` or ``abort``.
"""

import asyncio
import socket
from typing import Any

from proxy.net.turns import Turns


class PlainTransport:
    """One connected, non-blocking TCP socket; ``protocol`` is a BufferedProtocol."""

    __slots__ = (
        "_descriptor",
        "_high",
        "_is_closing",
        "_is_lost",
        "_is_paused",
        "_loop",
        "_protocol",
        "_recv_into",
        "_send",
        "_socket",
        "_turns",
        "_unsent",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        turns: Turns,
        opened: socket.socket,
        protocol: Any,
    ) -> None:
        self._loop = loop
        self._turns = turns
        self._socket = opened
        self._descriptor = opened.fileno()
        self._recv_into = opened.recv_into
        self._send = opened.send
        self._protocol = protocol
        self._unsent = bytearray()
        self._high = 64 * 1024
        self._is_paused = self._is_closing = self._is_lost = False

    def start(self) -> None:
        """Tell the protocol, and begin to read."""
        self._turns.serve(self._descriptor, self._readable, self._writable)
        self._protocol.connection_made(self)

    # -- what the protocol asks for ----------------------------------------------

    def get_extra_info(self, name: str) -> Any:
        """The socket; there is nothing else, and no TLS."""
        return self._socket if name == "socket" else None

    def set_write_buffer_limits(self, high: int) -> None:
        """Call ``pause_writing`` when more than this is waiting, in bytes."""
        self._high = high

    def pause_reading(self) -> None:
        """Read nothing more; there is no way back."""
        self._is_paused = True
        if not self._is_closing:
            self._turns.change(self._descriptor, False, bool(self._unsent))

    def write(self, data: bytes) -> None:
        """Send now what the kernel takes, and the rest as soon as it does."""
        if self._is_lost:
            return
        sent = 0
        if not self._unsent:
            try:
                sent = self._send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            reads = not self._is_paused and not self._is_closing
            self._turns.change(self._descriptor, reads, True)
        self._unsent += data[sent:]
        if len(self._unsent) > self._high:
            self._protocol.pause_writing()

    def close(self) -> None:
        """Close as soon as everything has been sent."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._unsent:
            self._turns.change(self._descriptor, False, True)
        else:
            self._lose(None)

    def abort(self) -> None:
        """Close at once; what is waiting is lost."""
        self._lose(None)

    # -- what the wait tells -----------------------------------------------------

    def _readable(self) -> None:
        if self._is_paused or self._is_closing:
            self._lose(None)  # nobody asked for data: the peer has hung up
            return
        try:
            size = self._recv_into(self._protocol.get_buffer(-1))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if size:
            self._protocol.buffer_updated(size)
        else:
            self._protocol.eof_received()
            self.close()

    def _writable(self) -> None:
        try:
            sent = self._send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if self._unsent:
            return
        if self._is_closing:
            self._lose(None)
        else:
            self._turns.change(self._descriptor, not self._is_paused, False)

    def _lose(self, error: OSError | None) -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._unsent.clear()
        self._turns.forget(self._descriptor)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()
            self._protocol = None
