"""The notify protocol of the service manager (sd_notify(3)).

Each message is one datagram of one or more lines to ``$NOTIFY_SOCKET``.  Without that
variable every call does nothing.  The event loop feeds the watchdog, so that a loop
that hangs stops feeding it.
"""

import asyncio
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Final

import structlog

from proxy import clock

log = structlog.get_logger()

EXTEND: Final = 90_000_000
"""Microseconds by which we ask the manager to extend its timeout at every try."""
_OURS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Tells the service manager; ``interval`` is seconds between two watchdog lines,
    0 when none is wanted."""

    def __init__(self, address: str = "", interval: float = 0.0) -> None:
        # "@" stands for the abstract namespace, whose names begin with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.interval = interval

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> "Notifier":
        """Read the manager's variables and take them out of the environment."""
        notifier = cls(environ.get("NOTIFY_SOCKET", ""), _interval(environ))
        for name in _OURS:
            environ.pop(name, None)
        return notifier

    def tell(self, *lines: str) -> None:
        """Send lines such as ``READY=1``; when the manager is gone, only log it."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("manager.not_told", lines=lines, reason=str(error))

    def waiting(self, reason: str) -> None:
        """The start waits: tell the manager why, and ask it for more time."""
        self.tell(f"STATUS=waiting: {reason}", f"EXTEND_TIMEOUT_USEC={EXTEND}")

    def reloading(self) -> None:
        """A reload begins; ``READY=1`` ends it."""
        now = int(clock.monotonic() * 1_000_000)
        self.tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    async def feed_watchdog(self) -> None:
        """Tell the manager that the loop is alive, twice as often as it asks for, until
        cancelled."""
        while self.interval:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.interval)


def _interval(environ: Mapping[str, str]) -> float:
    wanted = environ.get("WATCHDOG_USEC", "")
    process = environ.get("WATCHDOG_PID", str(os.getpid()))
    if not wanted.isdecimal() or process != str(os.getpid()):
        return 0.0
    return int(wanted) / 2_000_000
