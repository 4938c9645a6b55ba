"""Frames between the workers of one node, over Unix sockets.

Each worker listens on a socket that the supervisor keeps open, so a connection succeeds
even while the worker is being restarted.  Links are one-way: a worker opens one to each
sibling that it has frames for.  The frames of a link arrive in order.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import Final

import structlog

from proxy.net.outbox import Outbox

log = structlog.get_logger()

QUEUE: Final = 8 * 1024 * 1024
"""Bytes kept for a sibling that does not read; further frames are dropped."""
READ: Final = 256 * 1024
PAUSE: Final = 0.5
"""Seconds without accepting after the system refused a connection."""

_HEAD: Final = struct.Struct("!IBB")  # size of the rest, kind, sender
_CREDENTIALS: Final = struct.Struct("3i")

Take = Callable[[int, int, bytes], None]
"""Kind of the frame, the worker that sent it, and its body."""


class _Link:
    """The connection to one sibling; bytes that it cannot take yet wait here."""

    __slots__ = ("_loop", "_socket", "_waiting")

    def __init__(self, opened: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._socket = opened
        self._loop = loop
        self._waiting = bytearray()

    def watch(self, ended: Callable[[], None]) -> None:
        """Call ``ended`` when the socket becomes readable.  A sibling never sends
        anything here, so that means its end."""
        self._loop.add_reader(self._socket.fileno(), ended)

    def send(self, data: bytes) -> bool:
        """Send or keep; False when too much is kept already.  Raises OSError."""
        if self._waiting:
            if len(self._waiting) > QUEUE:
                return False
            self._waiting += data
            return True
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._waiting += data[sent:]
            self._loop.add_writer(self._socket.fileno(), self._writable)
        return True

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._waiting)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._waiting)  # drop it all; ``watch`` reports the end
        del self._waiting[:sent]
        if not self._waiting:
            self._loop.remove_writer(self._socket.fileno())

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()


class LinkFrames:
    """Sends and takes frames.

    ``own`` is our number, ``names`` are the addresses of all workers' sockets, and
    ``listening`` is ours.  ``take`` is called for each frame, inside a batch of
    ``outbox``; ``lost`` is called when a sibling has died.
    """

    def __init__(
        self,
        own: int,
        names: list[str],
        listening: socket.socket,
        outbox: Outbox,
        take: Take,
        lost: Callable[[int], None],
    ) -> None:
        self._own = own
        self._names = names
        self._listening = listening
        self._outbox = outbox
        self._take = take
        self._tell_lost = lost
        self._loop = asyncio.get_running_loop()
        self._links: dict[int, _Link] = {}
        self._readers: dict[socket.socket, bytearray] = {}
        self._pause: asyncio.TimerHandle | None = None
        self.dropped = 0

    def open(self) -> None:
        """Begin to listen; frames that siblings sent before wait in the kernel."""
        self._listening.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        self._loop.add_reader(self._listening.fileno(), self._acceptable)

    def close(self) -> None:
        """Close all links, and listen no longer."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening.fileno())
        for opened in list(self._readers):
            self._hang_up(opened)
        for link in self._links.values():
            link.close()
        self._links.clear()

    # -- sending -------------------------------------------------------------------

    def send(self, worker: int, kind: int, body: bytes) -> bool:
        """Send one frame to a worker; False when it had to be dropped."""
        data = _HEAD.pack(len(body), kind, self._own) + body
        # Twice: the link may turn out to lead to a process that has died.
        for _ in range(2):
            link = self._links.get(worker) or self._connect(worker)
            if link is None:
                break
            try:
                if link.send(data):
                    return True
                break
            except OSError:
                self._lost(worker, link)
        self.dropped += 1
        return False

    def _connect(self, worker: int) -> _Link | None:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            opened.connect(self._names[worker])
        except OSError as error:
            opened.close()
            log.warning("sibling.unreachable", worker=worker, reason=str(error))
            return None
        link = self._links[worker] = _Link(opened, self._loop)
        link.watch(lambda: self._lost(worker, link))
        return link

    def _lost(self, worker: int, link: _Link) -> None:
        """A sibling has died."""
        if self._links.get(worker) is link:
            del self._links[worker]
        link.close()
        self._tell_lost(worker)

    # -- receiving -----------------------------------------------------------------

    def _acceptable(self) -> None:
        try:
            opened, _ = self._listening.accept()
        except BlockingIOError:
            return
        except OSError as error:
            # No descriptor is left, say.  The socket stays readable, so without a pause
            # this would be tried all the time.
            log.warning("sibling.not_accepted", reason=str(error))
            self._loop.remove_reader(self._listening.fileno())
            self._pause = self._loop.call_later(PAUSE, self._listen)
            return
        raw = opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        if _CREDENTIALS.unpack(raw)[1] != os.getuid():
            opened.close()  # a process of another user, and no sibling
            return
        opened.setblocking(False)
        self._readers[opened] = bytearray()
        self._loop.add_reader(opened.fileno(), self._readable, opened)

    def _hang_up(self, opened: socket.socket) -> None:
        self._loop.remove_reader(opened.fileno())
        del self._readers[opened]
        opened.close()

    def _readable(self, opened: socket.socket) -> None:
        try:
            data = opened.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(opened)
            return
        buffer = self._readers[opened]
        buffer += data
        self._outbox.is_batch = True
        try:
            self._take_frames(buffer)
        finally:
            self._outbox.end()

    def _take_frames(self, buffer: bytearray) -> None:
        start = 0
        while len(buffer) - start >= _HEAD.size:
            size, kind, sender = _HEAD.unpack_from(buffer, start)
            end = start + _HEAD.size + size
            if len(buffer) < end:
                break
            body = bytes(buffer[start + _HEAD.size : end])
            start = end
            try:
                self._take(kind, sender, body)
            except Exception:
                # This frame is lost, but the next ones can be taken.
                log.exception("sibling.failed", kind=kind)
        del buffer[:start]
