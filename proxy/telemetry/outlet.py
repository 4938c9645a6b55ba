"""Where log lines leave the process, without ever waiting for their reader.

A reader that stands still (a full pipe, a stopped terminal, a journal that hangs) must
not stop SIP.  We keep what it does not take, up to a limit in bytes; after that we drop
lines and count them, and one line says how many as soon as it reads again.

O_NONBLOCK is never set on the descriptor we were given: it belongs to the open file,
which the parent, the terminal and the other workers share.  We open a pipe or a
terminal once more instead, and tell a socket with each ``send`` not to wait.  A regular
file has no reader; its disk can be full, and then it is a reader that stands still: the
rest of a line that it took half of follows when there is room.
"""

import asyncio
import errno
import io
import os
import select
import socket
import stat
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TextIO

from proxy import clock

KEPT: Final = 1024 * 1024
"""Bytes kept for a reader that stands still."""
TRY_AGAIN: Final = 0.1
PATIENCE: Final = 0.5
"""Seconds that the end of the process waits for a reader."""

_NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EDQUOT))
_NO_WAIT: Final = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
_outlets: "weakref.WeakValueDictionary[tuple[int, int, int], Outlet]" = (
    weakref.WeakValueDictionary()
)


def outlet_of(stream: TextIO) -> "Outlet":
    """The one outlet of this process for ``stream``."""
    try:
        descriptor = stream.fileno()
        found = os.fstat(descriptor)
    except (OSError, io.UnsupportedOperation, AttributeError):
        return Outlet(stream)
    key = descriptor, found.st_dev, found.st_ino
    known = _outlets.get(key)
    if known is None:
        known = _outlets[key] = Outlet(stream, descriptor)
    return known


class Outlet:
    """A stream that takes lines and never waits; counts lines, never raises.

    Without a ``descriptor`` (a stream in memory) lines are written to ``stream``.
    """

    def __init__(self, stream: TextIO, descriptor: int = -1) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._door: _Door | None = None
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0  # since the reader stood still
        self._again: asyncio.TimerHandle | None = None
        self.is_console = False
        self.written = 0
        self.dropped = 0

    def write(self, text: str) -> int:
        """Whole lines, as a stream takes them."""
        self.put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: ``put`` has sent all that the reader takes."""

    def put(self, text: str) -> bool:
        """Whole lines; False when they had to be dropped."""
        lines = text.count("\n")
        if self._descriptor < 0:
            return self._write_plainly(text, lines)
        data = text.encode(self._encoding, "backslashreplace")
        is_stuck = bool(self._waiting) and not self._send_waiting()
        # After the first lost line we lose all, up to the line that says how many:
        # what came first explains what came later (decision 80).
        if is_stuck and (self._lost or self._size + len(data) > KEPT):
            self._lost += lines
            self.dropped += lines
            return False
        self._keep(data)
        self.written += lines
        self._send_waiting()
        if self._waiting:
            self._try_again_soon()
        return True

    def drain(self, patience: float = PATIENCE) -> None:
        """Before the process ends: wait at most ``patience`` seconds for the reader."""
        until = clock.monotonic() + patience
        while not self._send_waiting():
            left = until - clock.monotonic()
            if left <= 0 or self._door is None:
                return
            self._door.wait(min(left, TRY_AGAIN))

    def forget(self) -> None:
        """In a forked child: what waits is the parent's to write."""
        self._waiting.clear()
        self._size = self._lost = self.written = self.dropped = 0
        self._again = None
        if self._door is not None:
            self._door.close()
            self._door = None

    def _write_plainly(self, text: str, lines: int) -> bool:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # its reader has gone; it was closed
            self.dropped += lines
            return False
        self.written += lines
        return True

    def _keep(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)

    def _send_waiting(self) -> bool:
        """Send what the reader takes; True when nothing waits any more."""
        waiting = self._waiting
        try:
            if self._door is None:
                self._door = _open_door(self._descriptor)
            while waiting:
                data = waiting[0]
                sent = self._door.send(data)
                self._size -= sent
                if sent < len(data):
                    waiting[0] = data[sent:]
                else:
                    waiting.popleft()
                if not waiting and self._lost:
                    self._keep(self._loss())
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as err:
            if err.errno in _NO_ROOM:  # nothing is torn: the rest goes when it can
                return False
            # The reader has gone: this will never be read.
            lost = sum(each.count(b"\n") for each in waiting)
            self.written -= lost
            self.dropped += lost
            waiting.clear()
            self._size = self._lost = 0
        return True

    def _loss(self) -> bytes:
        lost, self._lost = self._lost, 0
        at = datetime.fromtimestamp(clock.wall(), UTC).isoformat()
        if self.is_console:
            return b"%s [warning  ] log.lines_dropped  count=%d\n" % (
                at.encode(),
                lost,
            )
        return (
            b'{"event": "log.lines_dropped", "level": "warning", "count": %d, '
            b'"timestamp": "%s"}\n' % (lost, at.encode())
        )

    def _try_again_soon(self) -> None:
        """Send what waits with the next line or in a moment, whichever comes first."""
        if self._again is not None:
            return
        with suppress(RuntimeError):  # no loop runs: then with the next line
            loop = asyncio.get_running_loop()
            self._again = loop.call_later(TRY_AGAIN, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        if not self._send_waiting():
            self._try_again_soon()


class _Door:
    """How bytes get out: ``send`` raises BlockingIOError when they cannot now."""

    def __init__(
        self, send: Callable[[bytes], int], descriptor: int, close: Callable[[], None]
    ) -> None:
        self.send = send
        self.close = close
        self._descriptor = descriptor

    def wait(self, seconds: float) -> None:
        """Wait until ``send`` may work again, at most so long."""
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            time.sleep(seconds)  # to poll, a file on a full disk is writable
            return
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(seconds * 1000)


def _open_door(descriptor: int) -> _Door:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        opened = socket.socket(fileno=os.dup(descriptor))
        return _Door(lambda data: opened.send(data, _NO_WAIT), descriptor, opened.close)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        try:
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
        except OSError:
            # No /proc, or the pipe is another user's.  A pipe that poll calls
            # writable takes PIPE_BUF bytes at once.
            return _Door(
                lambda data: _send_a_little(descriptor, data), descriptor, _nothing
            )
        return _Door(lambda data: os.write(own, data), own, lambda: os.close(own))
    return _Door(lambda data: os.write(descriptor, data), descriptor, _nothing)


def _send_a_little(descriptor: int, data: bytes) -> int:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError
    return os.write(descriptor, data[: select.PIPE_BUF])


def _nothing() -> None:
    """Closes nothing: the descriptor is not ours."""


def _forget_all() -> None:
    for outlet in list(_outlets.values()):
        outlet.forget()


os.register_at_fork(after_in_child=_forget_all)
