"""A queue of messages in which sources take turns: who sends most waits longest.

A source can fill only its own part of the queue.  A new source is served in the next
round, however much of another one waits.
"""

from collections import deque
from typing import Final

from proxy.sip.flow import Account, Flow

MOST_HELD: Final = 16 * 1024 * 1024
"""Bytes of all messages together; those of unproven sources get at most half of it."""
MOST_OF_ONE: Final = 4 * 1024 * 1024
"""Bytes of one source, some 5,000 requests."""
OVERHEAD: Final = 300
"""Bytes that a message in the queue costs besides its own."""


class _Line:
    """The messages of one source that wait."""

    __slots__ = ("held", "messages")

    def __init__(self) -> None:
        self.messages: deque[tuple[Flow, bytes, float]] = deque()
        self.held = 0


class FairQueue:
    """Messages by source, taken in turns; within a source in the order of arrival."""

    __slots__ = ("_count", "_known", "_lines", "_turns", "held")

    def __init__(self) -> None:
        self._lines: dict[Account, _Line] = {}
        self._turns: deque[Account] = deque()
        self._known: set[bytes] = set()
        self._count = 0
        self.held = 0

    def __len__(self) -> int:
        return self._count

    def holds(self, data: bytes) -> bool:
        """Whether this message is in the queue already: its client has repeated it."""
        return data in self._known

    def has(self, source: Account) -> bool:
        """Whether a message of this source waits."""
        return source in self._lines

    def has_room(self, source: Account, flow: Flow) -> bool:
        """Whether one more message of this source may wait."""
        most = MOST_HELD if flow.is_proven or flow.reliable else MOST_HELD // 2
        line = self._lines.get(source)
        return self.held < most and (line is None or line.held < MOST_OF_ONE)

    def since(self, source: Account, now: float) -> float:
        """When the first waiting message of this source came; ``now`` if none waits."""
        line = self._lines.get(source)
        return now if line is None else line.messages[0][2]

    def put(self, source: Account, flow: Flow, data: bytes, now: float) -> None:
        """Let a message wait."""
        line = self._lines.get(source)
        if line is None:
            line = self._lines[source] = _Line()
            self._turns.append(source)
        line.messages.append((flow, data, now))
        self._known.add(data)
        self._note(line, len(data) + OVERHEAD, 1)

    def take(self) -> tuple[Flow, bytes]:
        """The next message of the source whose turn it is; IndexError when empty."""
        source = self._turns.popleft()
        line = self._lines[source]
        flow, data, _ = line.messages.popleft()
        self._known.discard(data)
        self._note(line, -len(data) - OVERHEAD, -1)
        if line.messages:
            self._turns.append(source)
        else:
            del self._lines[source]
        return flow, data

    def _note(self, line: _Line, bytes_: int, count: int) -> None:
        line.held += bytes_
        self.held += bytes_
        self._count += count
