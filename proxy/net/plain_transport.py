"""A TCP connection that ``wait.py`` serves, without asyncio's transport."""

from typing import Any

from proxy.net.direct_transport import DirectTransport


class PlainTransport(DirectTransport):
    """One connected TCP socket."""

    __slots__ = ()

    def start(self) -> None:
        """Tell the protocol, and begin to read."""
        self._begin(self._readable, self._writable)

    # -- what the protocol asks for ----------------------------------------------

    def get_extra_info(self, name: str) -> Any:
        """The socket; there is nothing else, and no TLS."""
        return self._socket if name == "socket" else None

    def write(self, data: bytes) -> None:
        """Send now what the kernel takes, and the rest as soon as it does."""
        if self._is_lost:
            return
        sent = 0
        if not self._unsent:
            sent = self._send_now(data)
            if sent < 0 or sent == len(data):
                return
            reads = not self._is_paused and not self._is_closing
            self._wait.change(self._descriptor, reads, True)
        self._unsent += data[sent:]
        if len(self._unsent) > self._high:
            self._protocol.pause_writing()

    def close(self) -> None:
        """Close as soon as everything has been sent."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._unsent:
            self._wait.change(self._descriptor, False, True)
        else:
            self._lose(None)

    # -- what the wait tells -----------------------------------------------------

    def _readable(self) -> None:
        if self._is_paused or self._is_closing:
            self._lose(None)  # we do not wait for data, so this is the peer's end
            return
        size = self._receive(self._protocol.get_buffer(-1))
        if size > 0:
            self._protocol.buffer_updated(size)
        elif size == 0:
            if self._protocol.eof_received():
                self.pause_reading()
            else:
                self.close()

    def _writable(self) -> None:
        if not self._send_waiting():
            return
        if self._is_closing:
            self._lose(None)
        else:
            self._wait.change(self._descriptor, not self._is_paused, False)
