"""How many datagrams a turn of a listener reads, and whether it empties its socket.

To read an empty socket raises, and costs as much as a whole message.  So a turn reads
as many datagrams as came in the turns before, and nothing tells us whether more wait
until one turn has read less.  When several turns in a row found as many as they were to
read, the next ones read more.

A socket that no turn has emptied for half a second (``backlog.py``) may still have been
filled by one datagram at a time, each read before the next one came.  So the next turn
then reads as many as a turn may: when they are there, we are behind.

mypyc compiles this module together with the listener.
"""

import asyncio
import socket
from typing import Final

from proxy.net.datagrams.backlog import Backlog, Pressure
from proxy.net.datagrams.sieve import Sieve

DATAGRAMS_A_TURN: Final = 64
WHOLE_READS: Final = 8
"""Full turns in a row before a larger one is expected."""


class Depth:
    """That of one listener's socket; ``expected`` is what the next turn reads."""

    __slots__ = ("_backlog", "_sieve", "_whole_reads", "expected")

    def __init__(self, pressure: Pressure) -> None:
        self._backlog = Backlog(pressure)
        self._sieve = Sieve(self._backlog)
        self._whole_reads = 0
        self.expected = 1

    def was_emptied(self, received: int) -> None:
        """The socket was empty before the turn was full: expect as many next time."""
        self.expected = min(max(received, 1), DATAGRAMS_A_TURN)
        self._whole_reads = 0
        if self._backlog.since:
            self._backlog.emptied()

    def was_full(self, read: int, opened: socket.socket) -> None:
        """The turn has read as many as it was to, so more may wait.  These may be more
        than expected, where some were put aside."""
        self._whole_reads += 1
        if self._whole_reads >= WHOLE_READS:
            self._whole_reads = 0
            self.expected = min(2 * self.expected, DATAGRAMS_A_TURN)
        if read == 1:
            return  # it may have come alone
        backlog = self._backlog
        if backlog.waits(read == DATAGRAMS_A_TURN):
            self.expected = DATAGRAMS_A_TURN
        if backlog.is_stuck:  # to read alone is too much
            self._sieve.begin(asyncio.get_running_loop(), opened)

    def end(self) -> None:
        """The socket is about to be closed."""
        self._backlog.emptied()
        self._sieve.end()
