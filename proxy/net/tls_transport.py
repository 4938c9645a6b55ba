"""A TLS connection that ``wait.py`` serves, like ``PlainTransport`` (decision 77).

asyncio's own TLS makes two buffers of 256 KiB for each connection, and goes through two
protocols and a transport for each record.  Here one read takes all that the kernel has,
decrypts every record in it, and hands the text on in one piece.  A write is one record
and one ``send``.  OpenSSL works on buffers in memory, so it never waits for a socket.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from proxy.net.direct_transport import DirectTransport
from proxy.net.wait import Wait

_HANDSHAKE_READ: Final = 16 * 1024


class Session:
    """OpenSSL's end of one connection, with the buffers for what goes in and out."""

    __slots__ = ("incoming", "outgoing", "tls")

    def __init__(
        self, context: ssl.SSLContext, is_server: bool, server_name: str | None
    ) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, is_server, server_name
        )


async def shake_hands(
    loop: asyncio.AbstractEventLoop,
    opened: socket.socket,
    session: Session,
    step: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """The handshake on a connected, non-blocking socket; the caller sets a deadline.

    ``step`` is awaited before each part of it that costs computing.  When the handshake
    fails, the peer gets the fatal alert that says why, and OSError is raised
    (ssl.SSLError is one).
    """
    while True:
        if step is not None:
            await step()
        is_done = False
        try:
            session.tls.do_handshake()
            is_done = True
        except ssl.SSLWantReadError:
            pass
        except OSError:
            with contextlib.suppress(OSError):  # raise the cause, not this failure
                await loop.sock_sendall(opened, session.outgoing.read())
            raise
        data = session.outgoing.read()
        if data:
            await loop.sock_sendall(opened, data)
        if is_done:
            return
        data = await loop.sock_recv(opened, _HANDSHAKE_READ)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "closed in the handshake")
        session.incoming.write(data)


class TlsTransport(DirectTransport):
    """One connection after its handshake."""

    __slots__ = ("_backlog", "_has_ended", "_incoming", "_outgoing", "_tls")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        wait: Wait,
        opened: socket.socket,
        protocol: Any,
        session: Session,
    ) -> None:
        super().__init__(loop, wait, opened, protocol)
        self._tls: Any = session.tls
        self._incoming = session.incoming
        self._outgoing = session.outgoing
        self._backlog: list[bytes] = []  # waits unencrypted during a renegotiation
        self._has_ended = False  # whether the peer sends no more

    def start(self) -> None:
        """Tell the protocol, and begin to read."""
        self._begin(self._readable, self._writable)
        if self._incoming.pending:  # data came with the end of the handshake
            self._loop.call_soon(self._decrypt)

    # -- what the protocol asks for ----------------------------------------------

    def get_extra_info(self, name: str) -> Any:
        """``socket``, ``ssl_object`` or ``peercert``."""
        if name == "ssl_object":
            return self._tls
        if name == "peercert":
            return self._tls.getpeercert()
        return self._socket if name == "socket" else None

    def write(self, data: bytes) -> None:
        """Send now what the kernel takes, and the rest as soon as it does."""
        if self._is_closing:
            return
        self._backlog.append(data)
        if self._encrypt():
            self._push()

    def close(self) -> None:
        """Send everything and our close_notify; close when the peer has sent its own.

        The peer may never send one, so the caller must set a deadline.
        """
        if self._is_closing:
            return
        self._is_closing = True
        self._wait.change(self._descriptor, True, bool(self._unsent))
        self._shut_down()

    # -- what the wait tells -----------------------------------------------------

    def _readable(self) -> None:
        if self._is_paused and not self._is_closing:
            self._lose(None)  # we do not wait for data, so this is the peer's end
            return
        buffer = self._protocol.get_buffer(-1)
        size = self._receive(buffer)
        if size > 0:
            self._incoming.write(buffer[:size])
            self._decrypt()
        elif size == 0:
            self._ended()

    def _writable(self) -> None:
        if not self._send_waiting():
            return
        if self._has_ended and self._is_closing:
            self._lose(None)
        else:
            reads = not self._is_paused or self._is_closing
            self._wait.change(self._descriptor, reads, False)

    # -- between the two ---------------------------------------------------------

    def _decrypt(self) -> None:
        """Hand on all that has come; OpenSSL answers the records meant for itself."""
        while not self._is_lost:
            buffer = self._protocol.get_buffer(-1)
            room = len(buffer)
            size, has_ended = 0, False
            try:
                while size < room and (self._incoming.pending or self._tls.pending()):
                    count: int = self._tls.read(room - size, buffer[size:])
                    if not count:
                        has_ended = True
                        break
                    size += count
            except ssl.SSLWantReadError:
                pass  # half a record, or one for OpenSSL itself
            except ssl.SSLZeroReturnError:
                has_ended = True
            except OSError as error:  # ssl.SSLError is one
                self._push()  # send the alert that says why
                self._lose(error)
                return
            if self._backlog and not self._encrypt():
                return
            if self._outgoing.pending:
                self._push()
            if size and not self._is_closing:
                self._protocol.buffer_updated(size)
            if has_ended:
                self._ended()
                return
            if size < room:
                return

    def _ended(self) -> None:
        """The peer sends no more: send what is queued for it, and our close_notify."""
        if self._is_lost:
            return
        if self._has_ended:
            self._lose(None)  # reported a second time: the connection is closed
            return
        self._has_ended = True
        if self._is_closing:
            self._finish()
        elif self._protocol.eof_received():
            self.pause_reading()
        else:
            self.close()

    def _encrypt(self) -> bool:
        """Encrypt the backlog, as far as OpenSSL can now; False when it has failed."""
        backlog = self._backlog
        try:
            while backlog:
                data = backlog[0]
                count: int = self._tls.write(data)
                if count < len(data):
                    backlog[0] = data[count:]
                else:
                    del backlog[0]
        except ssl.SSLWantReadError:
            pass  # go on when the peer has sent its part of the renegotiation
        except OSError as error:
            self._lose(error)
            return False
        return True

    def _push(self) -> None:
        """Send what OpenSSL has written, behind what still waits."""
        if self._is_lost:
            return
        data = self._outgoing.read()
        sent = 0
        if data and not self._unsent:
            sent = self._send_now(data)
            if sent < 0:
                return
            if sent < len(data):
                reads = not self._is_paused or self._is_closing
                self._wait.change(self._descriptor, reads, True)
        if sent < len(data):
            self._unsent += data[sent:]
        waiting = len(self._unsent)
        for each in self._backlog:
            waiting += len(each)
        if waiting > self._high and not self._is_closing:
            self._protocol.pause_writing()

    def _shut_down(self) -> None:
        """Send our close_notify; finish if the peer has sent its own already."""
        # ``unwrap`` raises when the peer's close_notify is missing, data is unread, or
        # a renegotiation is open.
        with contextlib.suppress(OSError):
            self._tls.unwrap()
            self._has_ended = True
        self._push()
        if self._has_ended:
            self._finish()

    def _finish(self) -> None:
        """Both have sent a close_notify: close after sending what is left."""
        if self._unsent and not self._is_lost:
            self._wait.change(self._descriptor, False, True)
        else:
            self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        self._backlog.clear()
        super()._lose(error)
