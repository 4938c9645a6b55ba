"""A sink that keeps what it is told, and lets a test wait for it."""

import asyncio
from collections.abc import Callable

from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import Flow


class Recorder:
    """Keeps every call as a tuple; ``on_message`` may answer at once."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.on_message: Callable[[Flow, bytes], None] = lambda flow, data: None
        self._changed = asyncio.Event()

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        self._changed.set()

    def datagram(self, flow: Flow, data: bytes) -> None:
        self._note("datagram", flow, data)
        self.on_message(flow, data)

    def message(self, flow: Flow, data: bytes) -> None:
        self._note("message", flow, data)
        self.on_message(flow, data)

    def datagram_refused(self, flow: Flow, data: bytes, reason: str) -> None:
        self._note("datagram_refused", flow, data, reason)

    def flow_opened(self, front_end: FrontEnd, flow: Flow) -> None:
        self._note("flow_opened", front_end, flow)

    def connect_failed(self, front_end: FrontEnd, reason: str, detail: str) -> None:
        self._note("connect_failed", front_end, reason, detail)

    def flow_closed(self, flow: Flow, reason: str) -> None:
        self._note("flow_closed", flow, reason)

    def overloaded(self, is_overloaded: bool) -> None:
        self._note("overloaded", is_overloaded)

    def framing_failed(self, flow: Flow, data: bytes, status: int, reason: str) -> None:
        self._note("framing_failed", flow, data, status, reason)
        self.on_message(flow, data)

    def of(self, name: str) -> list[tuple]:
        """The arguments of every call of this name, in order."""
        return [call[1:] for call in self.calls if call[0] == name]

    async def wait(self, name: str, count: int = 1, timeout: float = 20.0) -> list:
        """What ``of`` gives once there are ``count`` of them; fails after a while."""
        async with asyncio.timeout(timeout):
            while len(self.of(name)) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.of(name)
