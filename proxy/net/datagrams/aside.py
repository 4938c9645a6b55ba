"""Messages that wait until everybody else's have been taken (decision 151).

They are of sources of which lately more came that nobody could read than is dealt with.
To find that out costs as much as to take a good message, so a good one would wait
behind as many as came before it.  Nothing is dropped here, because a good caller may
stand behind such an address as well.

mypyc compiles this module together with the listener.
"""

import time
from collections import deque
from typing import Final

from proxy.net.outbox import Outbox
from proxy.net.sink import Sink
from proxy.sip.flow import Account, Flow

A_TURN: Final = 8
"""Messages that are taken between two looks at all other sockets."""
ROOM: Final = 256
"""Messages that may wait, of all such sources together.  When there are more, the
oldest is taken for each new one, as if it had just come."""
ROOM_BYTES: Final = 1024 * 1024

_monotonic: Final = time.monotonic


class Aside:
    """The messages of one listener that wait for their turn with the sink."""

    __slots__ = ("_counts", "_held", "_outbox", "_sink", "_waiting")

    def __init__(self, sink: Sink, outbox: Outbox) -> None:
        self._sink = sink
        self._outbox = outbox
        self._waiting: deque[tuple[Flow, bytes]] = deque()
        self._counts: dict[Account, int] = {}  # how many of each source
        self._held = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def takes(self, flow: Flow, data: bytes) -> bool:
        """Whether this message waits.  Of one source none overtakes another."""
        account = flow.account
        if account is None or not account.noisy_until or flow.is_proven:
            return False
        counts = self._counts
        if account.noisy_until <= _monotonic() and account not in counts:
            return False
        waiting = self._waiting
        if not waiting:
            self._outbox.report(self._turn)
        waiting.append((flow, data))
        counts[account] = counts.get(account, 0) + 1
        self._held += len(data)
        while len(waiting) > ROOM or self._held > ROOM_BYTES:
            self._take()
        return True

    def clear(self) -> None:
        """The listener is closed."""
        self._waiting.clear()
        self._counts.clear()
        self._held = 0

    def _turn(self) -> None:
        try:
            for _ in range(min(A_TURN, len(self._waiting))):
                self._take()
        finally:
            if self._waiting:
                self._outbox.report(self._turn)

    def _take(self) -> None:
        flow, data = self._waiting.popleft()
        self._held -= len(data)
        account = flow.account
        assert account is not None
        count = self._counts.pop(account) - 1
        if count:
            self._counts[account] = count
        self._sink.datagram(flow, data)
