"""Timers of RFC 3261 Table 4 and RFC 6026, on a clock that is an argument.

Nearly every transaction is over before its first timer matters, so a timer must cost
nothing to forget.  Timers are never cancelled: one that fires in a state that does
not list it is ignored by the state table.  Constant delays (T1, T4, 64*T1) live in
first-in first-out queues, one per name, which need no ordering and hold no more than
the instant and whom to tell; the others in a heap.
"""

import heapq
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

T1: Final = 0.5
"""Round-trip estimate, seconds (section 17.1.1.1).  Not tuned: peers count with it."""
T2: Final = 4.0
"""Longest interval between repetitions of a request that is no INVITE, and of a final
response to INVITE, seconds."""
T4: Final = 5.0
"""How long a message stays in the network, seconds."""
TRANSACTION_TIMEOUT: Final = 64 * T1
"""Timers B, F, H, J (UDP), L and M, seconds."""
TIMER_C: Final = 181.0
"""RFC 3261 section 16.6 item 11: must be larger than three minutes."""

DURATIONS: Final[dict[str, tuple[float, float]]] = {
    # RFC 3261 Table 4 and RFC 6026: over UDP, and over a stream.  What only waits for
    # repetitions is zero seconds on a stream, which repeats nothing.
    "timer D": (TRANSACTION_TIMEOUT, 0.0),  # section 17.1.1.2
    "timer I": (T4, 0.0),  # section 17.2.1
    "timer J": (TRANSACTION_TIMEOUT, 0.0),  # section 17.2.2
    "timer K": (T4, 0.0),  # section 17.1.2.2
    # A callee repeats its 2xx over streams too, until the ACK has come (section
    # 13.3.1.4), and the ACK of a failure may be late on any of them.
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


class _Queue:
    """Timers of one name and delay, the earliest first."""

    __slots__ = ("dues", "name", "owners")

    def __init__(self, name: str) -> None:
        self.name = name
        # Two queues and not one of pairs: over UDP tens of thousands wait for 32 s.
        self.dues: deque[float] = deque()
        self.owners: deque[TimerOwner] = deque()


class Timers:
    """Deadlines and who is told; ``deadline()`` is the earliest one.

    ``failed`` hears of an owner that raised: the others are told all the same.
    """

    __slots__ = ("_all", "_by_delay", "_earliest", "_heap", "_serial", "failed")

    def __init__(self) -> None:
        self._by_delay: dict[float, dict[str, _Queue]] = {x: {} for x in _QUEUED}
        self._all: list[_Queue] = []
        self._heap: list[tuple[float, int, str, TimerOwner]] = []
        self._serial = 0
        self.failed: Callable[[object, str, Exception, float], None] | None = None
        # Nothing is taken back, so only a start can make it earlier.
        self._earliest = _NEVER

    def __len__(self) -> int:
        return len(self._heap) + sum(len(queue.dues) for queue in self._all)

    def start(self, name: str, delay: float, owner: TimerOwner, now: float) -> None:
        """Tell ``owner`` after ``delay`` seconds; it cannot be taken back."""
        due = now + delay
        queues = self._by_delay.get(delay)
        if queues is not None:
            queue = queues.get(name)
            if queue is None:
                queue = queues[name] = _Queue(name)
                self._all.append(queue)
            queue.dues.append(due)
            queue.owners.append(owner)
        else:
            self._serial += 1
            heapq.heappush(self._heap, (due, self._serial, name, owner))
        if due < self._earliest:
            self._earliest = due

    def deadline(self) -> float | None:
        """The earliest deadline, None when nothing is due ever."""
        return None if self._earliest == _NEVER else self._earliest

    def fire(self, now: float) -> int:
        """Tell every owner whose deadline has come; returns how many were told.

        Deadlines are served in order inside one queue; a timer started while firing
        is served too when it is already due.
        """
        fired = 0
        for queue in self._all:
            dues, owners = queue.dues, queue.owners
            while dues and dues[0] <= now:
                dues.popleft()
                self._tell(owners.popleft(), queue.name, now)
                fired += 1
        heap = self._heap
        while heap and heap[0][0] <= now:
            _, _, name, owner = heapq.heappop(heap)
            self._tell(owner, name, now)
            fired += 1
        self._earliest = heap[0][0] if heap else _NEVER
        for queue in self._all:
            if queue.dues:
                self._earliest = min(self._earliest, queue.dues[0])
        return fired

    def _tell(self, owner: TimerOwner, name: str, now: float) -> None:
        try:
            owner.timer_fired(name, now)
        except Exception as error:
            if self.failed is None:
                raise
            self.failed(owner, name, error, now)
