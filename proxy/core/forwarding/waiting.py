"""Searches that wait for a look-up (RFC 3263) or a connection, by what they wait for.

The first search that waits asks for it.  All go on together, in the order in which they
came.
"""

from collections.abc import Callable
from typing import Final, Protocol

from proxy.pools.front_end import FrontEnd, Lookup, Resolution

MOST_RELAYED: Final = 4 * 1024 * 1024
"""Bytes of ACKs and BENOTIFYs that may wait.  They have no transaction, so the budget
of ``transaction/budget.py`` does not count them."""


class Waiter(Protocol):
    """A search that must wait before it can go on.

    ``waiting_for`` is what it waits for; None when it waits no longer.
    """

    waiting_for: object
    is_finished: bool

    def resolved(self, resolution: Resolution, now: float) -> None:
        """DNS has answered, well or badly."""

    def connected(self, front_end: FrontEnd, now: float) -> None:
        """The connection exists."""

    def connect_failed(self, reason: str, detail: str, now: float) -> None:
        """The connection could not be had."""


class Waiting:
    """The searches that wait.

    When one raises, ``failed`` is called and the others go on.  ``relayed_bytes`` is
    the size of the requests among them without a transaction.
    """

    __slots__ = ("_failed", "_relayed", "parked", "relayed_bytes")

    def __init__(self, failed: Callable[[object, str, Exception, float], None]) -> None:
        self._failed = failed
        self.parked: dict[object, list[Waiter]] = {}
        self._relayed: dict[Waiter, int] = {}
        self.relayed_bytes = 0

    def has_room(self, size: int) -> bool:
        """Whether a request without a transaction may wait."""
        return self.relayed_bytes + size <= MOST_RELAYED

    def add(self, key: object, waiter: Waiter, relayed: int) -> bool:
        """Park a search; True when it is the first that waits for ``key``.

        ``relayed`` is the size of a request without a transaction, else 0.
        """
        if relayed:
            self._relayed[waiter] = relayed
            self.relayed_bytes += relayed
        waiting = self.parked.setdefault(key, [])
        waiting.append(waiter)
        waiter.waiting_for = key
        return len(waiting) == 1

    def leave(self, key: object, waiter: Waiter) -> None:
        """Take a failed search out; after the last one, the next to wait asks anew."""
        self._no_longer_held(waiter)
        waiting = self.parked.get(key)
        if waiting is not None and waiter in waiting:
            waiting.remove(waiter)
            if not waiting:
                del self.parked[key]

    def resolved(self, lookup: Lookup, resolution: Resolution, now: float) -> None:
        """DNS has answered: all searches that waited for it go on."""
        for waiter in self._woken(lookup):
            try:
                waiter.resolved(resolution, now)
            except Exception as error:
                self._failed(waiter, "resolved", error, now)

    def connected(self, front_end: FrontEnd, now: float) -> None:
        """A connection exists: all searches that waited for it go on, in order."""
        for waiter in self._woken(front_end.connection_key):
            try:
                waiter.connected(front_end, now)
            except Exception as error:
                self._failed(waiter, "connected", error, now)

    def connect_failed(
        self, front_end: FrontEnd, reason: str, detail: str, now: float
    ) -> None:
        """A connection could not be opened: all that waited try the next front end."""
        for waiter in self._woken(front_end.connection_key):
            try:
                waiter.connect_failed(reason, detail, now)
            except Exception as error:
                self._failed(waiter, reason, error, now)

    def _woken(self, key: object) -> list[Waiter]:
        woken = [x for x in self.parked.pop(key, ()) if x.waiting_for == key]
        for waiter in woken:
            waiter.waiting_for = None
            self._no_longer_held(waiter)
        return [waiter for waiter in woken if not waiter.is_finished]

    def _no_longer_held(self, waiter: Waiter) -> None:
        if self._relayed:
            self.relayed_bytes -= self._relayed.pop(waiter, 0)
