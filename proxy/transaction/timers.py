"""Timers of RFC 3261 Table 4 and RFC 6026, on a clock that is an argument.

Nearly every transaction is over before its first timer matters, so to forget a timer
must cost nothing.  Timers are never cancelled: the state table ignores one that fires
in a state where it means nothing.  Timers with a constant delay (T1, T4, 64*T1) wait in
first-in first-out queues, one for each name; these need no sorting and hold only the
instant and the owner.  All others wait in a heap.
"""

import heapq
from collections.abc import Callable
from typing import Final, Protocol

T1: Final = 0.5
"""Round-trip estimate, seconds (section 17.1.1.1).  There is no setting for it, because
peers reckon with the default."""
T2: Final = 4.0
"""Longest interval between repetitions of a request other than INVITE, and of a final
response to INVITE, seconds (sections 17.1.2.2 and 17.2.1)."""
T4: Final = 5.0
"""How long a message stays in the network, seconds (section 17.1.2.2)."""
TRANSACTION_TIMEOUT: Final = 64 * T1
"""Timers B, D, F, H, J, L and M, seconds; D and J over UDP only."""
TIMER_C: Final = 181.0
"""RFC 3261 section 16.6 item 11: must be larger than three minutes."""

DURATIONS: Final[dict[str, tuple[float, float]]] = {
    # RFC 3261 Table 4 and RFC 6026: over UDP, and over a stream.  A timer that only
    # waits for repetitions has zero seconds on a stream, which repeats nothing.
    "timer D": (TRANSACTION_TIMEOUT, 0.0),  # section 17.1.1.2
    "timer I": (T4, 0.0),  # section 17.2.1
    "timer J": (TRANSACTION_TIMEOUT, 0.0),  # section 17.2.2
    # Section 17.1.2.2 has T4 over UDP, in which repetitions of the answer are absorbed.
    # A response that no transaction waits for is dropped as well, so nobody can tell
    # whether we keep it for that (decision 154).
    "timer K": (0.0, 0.0),
    # L and M: a callee repeats its 2xx over streams too, until the ACK has come
    # (section 13.3.1.4).  H: the ACK of a failure may be late on any transport.
    "timer H": (TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT),
    "timer L": (TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT),
    "timer M": (TRANSACTION_TIMEOUT, TRANSACTION_TIMEOUT),
}
"""Seconds of the timers that end a state.  Zero seconds are over at once: the
transaction takes the timer as its next input, and nothing is put into a queue."""

_NEVER: Final = float("inf")
_QUEUED: Final = (T1, T4, TRANSACTION_TIMEOUT)


class TimerOwner(Protocol):
    """Whatever wants to be told that time has passed."""

    def timer_fired(self, name: str, now: float) -> None:
        """Timer ``name`` fired; ``now`` is not before its deadline."""


_WORN: Final = 1024
"""A queue is shortened when so many of its timers have fired, and these are at least
half of all: each cut moves everything behind it."""


class _Queue:
    """Timers of one name and one delay, the earliest first.

    Lists with a position, and not a deque: compiled code appends to a list directly,
    but to a deque only through the interpreter.  ``gone`` timers have fired.
    """

    __slots__ = ("delay", "dues", "gone", "name", "owners")

    def __init__(self, name: str, delay: float) -> None:
        self.name = name
        self.delay = delay
        # Two lists and not one of pairs: over UDP tens of thousands wait for 32 s.
        self.dues: list[float] = []
        self.owners: list[TimerOwner | None] = []
        self.gone = 0

    def __len__(self) -> int:
        return len(self.owners) - self.gone


class Timers:
    """All deadlines and their owners; ``deadline()`` is the earliest one.

    ``failed`` is told of an owner that raised; the other owners get their turn all the
    same.  Without ``failed`` the exception goes to the caller of ``fire``.
    """

    __slots__ = ("_all", "_by_name", "_earliest", "_heap", "_serial", "failed")

    def __init__(self) -> None:
        self._by_name: dict[str, _Queue] = {}
        self._all: list[_Queue] = []
        self._heap: list[tuple[float, int, str, TimerOwner]] = []
        self._serial = 0
        self.failed: Callable[[object, str, Exception, float], None] | None = None
        # No timer is taken back, so between two ``fire`` only ``start`` changes this.
        self._earliest = _NEVER

    def __len__(self) -> int:
        return len(self._heap) + sum(len(queue) for queue in self._all)

    def start(self, name: str, delay: float, owner: TimerOwner, now: float) -> None:
        """Tell ``owner`` after ``delay`` seconds; it cannot be taken back."""
        due = now + delay
        queue = self._by_name.get(name)
        if queue is None and delay in _QUEUED:
            queue = self._by_name[name] = _Queue(name, delay)
            self._all.append(queue)
        if queue is not None and queue.delay == delay:
            queue.dues.append(due)
            queue.owners.append(owner)
        else:
            self._serial += 1
            heapq.heappush(self._heap, (due, self._serial, name, owner))
        if due < self._earliest:
            self._earliest = due

    def deadline(self) -> float | None:
        """The earliest deadline; None when no timer runs."""
        return None if self._earliest == _NEVER else self._earliest

    def fire(self, now: float) -> int:
        """Tell every owner whose deadline has come; returns how many were told.

        Deadlines are served in order inside one queue; a timer started while firing
        is served too when it is already due.
        """
        fired = 0
        for queue in self._all:
            # An owner may start timers when it is told: read the lists anew each time.
            while queue.gone < len(queue.dues) and queue.dues[queue.gone] <= now:
                gone = queue.gone
                owner = queue.owners[gone]
                queue.owners[gone] = None  # do not keep an ended transaction alive
                queue.gone = gone + 1
                if owner is not None:
                    self._tell(owner, queue.name, now)
                fired += 1
            gone = queue.gone
            if gone >= _WORN and 2 * gone >= len(queue.owners):
                del queue.owners[:gone]
                del queue.dues[:gone]
                queue.gone = 0
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, name, owner = heapq.heappop(heap)
            self._tell(owner, name, now)
            fired += 1
        self._earliest = heap[0][0] if heap else _NEVER
        for queue in self._all:
            if queue.gone < len(queue.dues):
                self._earliest = min(self._earliest, queue.dues[queue.gone])
        return fired

    def _tell(self, owner: TimerOwner, name: str, now: float) -> None:
        try:
            owner.timer_fired(name, now)
        except Exception as error:
            if self.failed is None:
                raise
            self.failed(owner, name, error, now)
