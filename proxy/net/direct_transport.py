"""What the transports for TCP and TLS share that ``wait.py`` serves without asyncio.

It has what ``StreamConnection`` needs of a transport and no more.  As with asyncio's
transports, the protocol is told of the end in the next turn of the loop, never from
inside ``write``, ``close`` or ``abort``.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from proxy.net.wait import Wait
from proxy.sip.host import network_of


class DirectTransport:
    """One connected, non-blocking socket; ``protocol`` is a BufferedProtocol.

    ``PlainTransport`` and ``TlsTransport`` say what is read and written.
    """

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
        "_unsent",
        "_wait",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wait: Wait,
        opened: socket.socket,
        protocol: Any,
    ) -> None:
        self._loop = loop
        self._wait = wait
        self._socket = opened
        self._descriptor = opened.fileno()
        self._recv_into = opened.recv_into
        self._send = opened.send
        self._protocol = protocol
        self._unsent = bytearray()
        self._high = 64 * 1024
        self._is_paused = self._is_closing = self._is_lost = False

    def _begin(
        self, readable: Callable[[], None], writable: Callable[[], None]
    ) -> None:
        """Tell the protocol, and begin to read."""
        source = ""
        if not self._protocol.comes_first:
            try:
                host = self._socket.getpeername()[0]
            except OSError:
                host = "lost"  # the peer has gone; the first read reports it
            # One IPv6 host can use every address of its /64.
            source = network_of(host) if ":" in host else host
        self._wait.serve(self._descriptor, readable, writable, source)
        self._protocol.connection_made(self)

    # -- what the protocol asks for ----------------------------------------------

    def set_write_buffer_limits(self, high: int) -> None:
        """Call ``pause_writing`` when more than this is waiting, in bytes."""
        self._high = high

    def get_write_buffer_size(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return len(self._unsent)

    def pause_reading(self) -> None:
        """Read nothing more; it cannot be resumed."""
        self._is_paused = True
        if not self._is_closing:
            self._wait.change(self._descriptor, False, bool(self._unsent))

    def abort(self) -> None:
        """Close at once; what is waiting is lost."""
        self._lose(None)

    # -- the socket ----------------------------------------------------------------

    def _receive(self, buffer: memoryview) -> int:
        """Bytes that have come, 0 at the peer's end; -1 when there is nothing to do."""
        try:
            return self._recv_into(buffer)
        except (BlockingIOError, InterruptedError):
            return -1
        except OSError as error:
            self._lose(error)
            return -1

    def _send_now(self, data: bytes | bytearray) -> int:
        """Bytes that the kernel takes at once; -1 when the connection has been lost."""
        try:
            return self._send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            self._lose(error)
            return -1

    def _send_waiting(self) -> bool:
        """Send what has waited; True when all of it is gone, and the socket is not."""
        sent = self._send_now(self._unsent)
        if sent > 0:
            del self._unsent[:sent]
        return not self._unsent and not self._is_lost

    def _lose(self, error: OSError | None) -> None:
        """The connection has ended; the protocol is told in the next turn."""
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._unsent.clear()
        self._wait.forget(self._descriptor)
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()
            self._protocol = None
