"""A recorder on a virtual clock, with messages told to it."""

from collections.abc import Sequence
from typing import Any

from proxy.core.commands import LogAccess
from proxy.recorder.recorder import SLOWEST, Recorder
from proxy.sip.flow import Flow, Listener
from proxy.sip.message import Request
from tests.support.messages import read, request, response

WALL = 1_000_000.0


class World:
    """`heard` and `sent` put messages on the tape, `ended` tells of a request."""

    def __init__(self, limit: int = 16 * 1024 * 1024, **more: Any) -> None:
        self.now = 50.0
        self.recorder = Recorder(limit, lambda: WALL, **more)
        self.listener = Listener("udp", "10.0.0.5", 5060)
        self.client = Flow(self.listener, "10.1.0.9", 40000)
        self.front_end = Flow(self.listener, "10.0.1.1", 5060)

    def heard(self, data: bytes, flow: Flow | None = None) -> bytes:
        self.now += 0.001
        self.recorder.tape.heard(self.now, flow or self.client, data)
        return data

    def sent(self, data: bytes, flow: Flow | None = None) -> bytes:
        self.recorder.tape.sent(flow or self.client, data)
        return data

    def ended(
        self,
        asked: bytes,
        status: int,
        attempts: Sequence[tuple[str, str, float]] = (),
        seconds: float = 0.0,
        rule: str = "",
    ) -> None:
        message = read(asked)
        assert isinstance(message, Request)
        record = LogAccess(
            *(message, self.client, status, seconds),
            *("endpoint" if attempts else rule, "", "", attempts, seconds),
        )
        self.recorder.count_all([(record, WALL + self.now)])

    def call(
        self,
        call_id: str,
        status: int = 200,
        method: str = "INVITE",
        attempts: Sequence[tuple[str, str, float]] = (("fe1", "200", 0.001),),
        *extra: str,
        body: bytes = b"",
        seconds: float = 0.0,
    ) -> bytes:
        """One request from the client, answered by us."""
        start = f"{method} sip:ocschat@contoso.test"
        asked = self.heard(request(start, *extra, call_id=call_id, body=body))
        self.sent(response(asked, status))
        self.ended(asked, status, attempts, seconds)
        return asked

    def look(self, seconds: float = 0.25) -> None:
        self.now += seconds
        self.recorder.look(self.now)

    def kept(self) -> dict[str, list[str]]:
        """Why each call is kept, by Call-ID."""
        return {x.call_id.decode(): x.why for x in self.recorder.kept.calls.values()}


def settled(world: World) -> World:
    """The places of the slowest are taken: what comes now is nothing special."""
    for number in range(SLOWEST):
        world.call(f"slow-{number}", seconds=5.0)
    world.look()
    world.recorder.kept.clear()
    return world
