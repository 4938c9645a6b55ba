"""A wait that is told what is ready, and a protocol that keeps what it is told."""

from collections.abc import Callable
from typing import Any


class FakeWait:
    """Sockets are served when a test says so; ``wants`` is what each waits for."""

    def __init__(self) -> None:
        self.wants: dict[int, tuple[bool, bool]] = {}
        self.sources: dict[int, str] = {}
        self._calls: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}

    def serve(
        self,
        descriptor: int,
        readable: Callable[[], None],
        writable: Callable[[], None],
        source: str = "",
    ) -> None:
        self.wants[descriptor] = (True, False)
        self.sources[descriptor] = source
        self._calls[descriptor] = readable, writable

    def change(self, descriptor: int, reads: bool, writes: bool) -> None:
        self.wants[descriptor] = (reads, writes)

    def forget(self, descriptor: int) -> None:
        del self.wants[descriptor], self._calls[descriptor]

    def can_read(self) -> None:
        """The one socket has something to read, or has failed."""
        ((readable, _),) = self._calls.values()
        readable()

    def can_write(self) -> None:
        """The one socket takes bytes again."""
        ((_, writable),) = self._calls.values()
        writable()

    @property
    def wanted(self) -> tuple[bool, bool] | None:
        """(reads, writes) of the one socket; None when it is served no longer."""
        return next(iter(self.wants.values()), None)


class FakeProtocol:
    """A BufferedProtocol; ``keeps_half`` answers that the connection stays half
    open."""

    def __init__(self, *, comes_first: bool = True, keeps_half: bool = False) -> None:
        self.comes_first = comes_first
        self.keeps_half = keeps_half
        self.told: list[str] = []
        self.data = b""
        self.error: Exception | None = None
        self._buffer = memoryview(bytearray(65_536))

    def connection_made(self, transport: Any) -> None:
        self.told.append("made")

    def get_buffer(self, hint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        self.data += bytes(self._buffer[:size])

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.keeps_half

    def pause_writing(self) -> None:
        self.told.append("pause")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")
        self.error = error
