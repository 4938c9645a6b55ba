"""A loop with a clock of its own, and a wire that keeps what is written: no sockets."""

from collections import deque
from collections.abc import Callable


class FakeLoop:
    """Time stands still until a test moves it; callbacks wait for `turn`."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._soon: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        self._soon.append((callback, arguments))

    def turn(self) -> None:
        """Everything that is due, and what that brings about."""
        while self._soon:
            callback, arguments = self._soon.popleft()
            callback(*arguments)


class FakeWire:
    """A transport; `unsent` bytes are what the peer does not take."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unsent = 0
        self.high = 0
        self.is_closed = self.is_aborted = self.is_paused = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str) -> None:
        return None
