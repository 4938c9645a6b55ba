"""The other workers of this node, as far as the core has to know of them (decision 58).

Workers share one table in memory, the *directory*: which worker opened which server
transaction, and which one accepted which connection.  A worker that gets a request
without a transaction looks there whether a sibling has it: a retransmission, an ACK or
a CANCEL may come from another port of the client.  To write costs a hash and an
assignment, and nothing is sent.

All workers are forked by one supervisor, so they share Python's hash seed, and a key
has the same hash in all of them.
"""

from __future__ import annotations

from typing import Final

from proxy.core.forwarding.branches import OWN_MARK

WAYS: Final = 4
"""Entries per bucket: one is lost only when four newer ones fall into its bucket."""
TRANSACTION_BUCKETS: Final = 1 << 18
STREAM_BUCKETS: Final = 1 << 16
_BUCKETS: Final = TRANSACTION_BUCKETS + STREAM_BUCKETS
_CELLS: Final = _BUCKETS * WAYS * 8
DIRECTORY_BYTES: Final = _CELLS + _BUCKETS

MOST_WAITING: Final = 10_000
"""Requests that may be put off at a time; each is put off for 5 ms."""

_HASH: Final = (1 << 62) - 1
_NO_WORKER: Final = ~0xFF
_RUN: Final = len(OWN_MARK) + 6
_WORKER: Final = _RUN + 2


class Directory:
    """Key → worker, in shared memory; new entries overwrite old ones.

    A cell is an unsigned 64-bit number: 54 bits of a key's hash, and in the lowest 8
    the worker plus one.  Each bucket is a ring of ``WAYS`` cells with a cursor, which
    is a byte in the rear part of ``shared``.  There are no locks: a reader that meets a
    half-written bucket at worst does not find an entry.
    """

    __slots__ = ("_cells", "_cursors", "_first", "_mask", "_worker")

    def __init__(
        self, shared: memoryview, first: int, buckets: int, worker: int
    ) -> None:
        self._cells = shared[:_CELLS].cast("Q")
        self._cursors = shared[_CELLS:]
        self._first = first
        self._mask = buckets - 1
        self._worker = worker

    def note(self, key: bytes) -> None:
        """Note that this worker has ``key``."""
        mark = hash(key) & _HASH
        bucket = self._first + ((mark >> 8) & self._mask)
        way: int = self._cursors[bucket]
        self._cursors[bucket] = (way + 1) & (WAYS - 1)
        self._cells[bucket * WAYS + way] = (mark & _NO_WORKER) | (self._worker + 1)

    def owner(self, key: bytes) -> int:
        """The sibling that has ``key``; -1 when this worker has it, or none."""
        mark = hash(key) & _HASH
        at = (self._first + ((mark >> 8) & self._mask)) * WAYS
        mark &= _NO_WORKER
        cells = self._cells
        found = -1
        for place in range(at, at + WAYS):
            cell: int = cells[place]
            if cell & _NO_WORKER == mark and cell:
                worker = (cell & 0xFF) - 1
                if worker == self._worker:
                    return -1
                found = worker
        return found

    def forget(self, key: bytes) -> None:
        """Note that nobody has ``key`` any more."""
        mark = hash(key) & _HASH
        at = (self._first + ((mark >> 8) & self._mask)) * WAYS
        for place in range(at, at + WAYS):
            if self._cells[place] & _NO_WORKER == mark & _NO_WORKER:
                self._cells[place] = 0


class Siblings:
    """Which worker this is, of how many, and what they share.

    ``run`` is a random number of 24 bits in the branches of all workers of this node,
    by which they know each other's.  ``life`` counts how often this worker was started.
    """

    __slots__ = (
        "_waiting",
        "count",
        "index",
        "life",
        "outlets",
        "run",
        "streams",
        "transactions",
    )

    def __init__(
        self, index: int, count: int, run: int, life: int, shared: memoryview
    ) -> None:
        self.index = index
        self.count = count
        self.run = run
        self.life = life
        self.transactions = Directory(shared, 0, TRANSACTION_BUCKETS, index)
        self.streams = Directory(shared, TRANSACTION_BUCKETS, STREAM_BUCKETS, index)
        self.outlets: list[bytes] = []  # sent-by of every worker's own UDP ports
        self._waiting: dict[bytes, None] = {}

    @property
    def instance(self) -> int:
        """The number in our branches."""
        return self.run << 8 | self.index

    def owner_of_branch(self, branch: bytes) -> int:
        """The sibling that made this branch; -1 when this worker or a stranger did."""
        if branch[:_RUN] != b"%b%06x" % (OWN_MARK, self.run):
            return -1
        try:
            worker = int(branch[_RUN:_WORKER], 16)
        except ValueError:
            return -1
        return worker if worker < self.count and worker != self.index else -1

    def waits_for_news(self, key: bytes) -> None:
        """Note that a request is put off because nobody here knows its address.

        A sibling may have learned the address an instant ago.  Its news is in our queue
        already, so the request is looked at once more after that has been read
        (decision 61).
        """
        if len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[key] = None

    def has_waited(self, key: bytes) -> bool:
        """True when this request has been put off before; the note is dropped then."""
        if not self._waiting or key not in self._waiting:
            return False
        del self._waiting[key]
        return True

    @property
    def waiting(self) -> int:
        """How many requests are put off."""
        return len(self._waiting)


def stream_key(transport: str, host: str, port: int) -> bytes:
    """The key of a connection in the directory."""
    return f"{transport} {host} {port}".encode()
