"""TLS handshakes of peers that connect to us: a limited number at a time; others wait.

No peer is refused here.  A peer that has sent nothing takes no turn; it keeps its place
(``admission.py``) until the deadline of the first byte.  Friends have turns of their
own.  Among strangers no network has more than its share, and a peer that stalls while
others wait loses its turn.  However many handshakes are under way, one turn of the loop
carries out only a few of their steps: each takes half a millisecond, and calls wait
meanwhile.
"""

import asyncio
import socket
from collections import OrderedDict, deque
from typing import Final

STEPS_A_TURN: Final = 2
"""Steps of handshakes in one turn of the loop."""
STALLED_AFTER: Final = 1.5
"""Seconds without a byte after which a handshake gives way to one that waits."""
_LOOK: Final = 0.25


class Turn:
    """One handshake; ``progressed_at`` is when the peer last sent a part of it."""

    __slots__ = ("granted", "network", "progressed_at", "task")

    def __init__(self, network: str, task: asyncio.Task[None] | None) -> None:
        self.network = network
        self.task = task
        self.progressed_at = 0.0
        self.granted: asyncio.Future[None] | None = None


class Handshakes:
    """Decides which peers may shake hands now.

    At most ``most`` at a time, and at most ``per_network`` of one network; None means
    that one network may have all of them.
    """

    __slots__ = ("_active", "_loop", "_most", "_per_network", "_timer", "_waiting")

    def __init__(self, most: int, per_network: int | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._most = most
        self._per_network = per_network or most
        self._active: dict[Turn, None] = {}
        # Networks take turns, however many of each wait.
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._active)

    async def begin(self, network: str) -> Turn:
        """Wait for a turn; the caller must ``end`` it."""
        turn = Turn(network, asyncio.current_task())
        if self._may_begin(network) and network not in self._waiting:
            self._begin(turn)
            return turn
        turn.granted = self._loop.create_future()
        self._waiting.setdefault(network, deque()).append(turn)
        self._watch()
        try:
            await turn.granted
        except BaseException:
            if turn in self._active:
                self.end(turn)
            else:
                self._forget(turn)
            raise
        return turn

    def end(self, turn: Turn) -> None:
        """The handshake is over, well or not: the next peer that waits may begin."""
        self._active.pop(turn, None)
        self._grant()

    def _may_begin(self, network: str) -> bool:
        if len(self._active) >= self._most:
            return False
        held = sum(1 for turn in self._active if turn.network == network)
        return held < self._per_network

    def _begin(self, turn: Turn) -> None:
        turn.progressed_at = self._loop.time()
        self._active[turn] = None

    def _grant(self) -> None:
        for network in list(self._waiting):
            if len(self._active) >= self._most:
                return
            if not self._may_begin(network):
                continue
            turn = self._waiting[network].popleft()
            if self._waiting[network]:
                self._waiting.move_to_end(network)
            else:
                del self._waiting[network]
            self._begin(turn)
            if turn.granted is not None and not turn.granted.done():
                turn.granted.set_result(None)

    def _forget(self, turn: Turn) -> None:
        """The peer of this turn waits no longer."""
        waiting = self._waiting.get(turn.network)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[turn.network]

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(_LOOK, self._look)

    def _look(self) -> None:
        """While peers wait, end the handshakes that have stalled."""
        self._timer = None
        if not self._waiting:
            return
        latest = self._loop.time() - STALLED_AFTER
        for turn in list(self._active):
            if turn.progressed_at <= latest and turn.task is not None:
                turn.task.cancel("stalled")
        self._watch()


class Gate:
    """Lets ``STEPS_A_TURN`` steps through in each turn of the loop."""

    __slots__ = ("_loop", "_passed", "_waiting")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._passed = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def step(self) -> None:
        """Wait until one more step may be carried out."""
        if self._passed >= STEPS_A_TURN:
            waiting = self._loop.create_future()
            self._waiting.append(waiting)
            await waiting
            return
        if not self._passed:
            self._loop.call_soon(self._next_turn)
        self._passed += 1

    def _next_turn(self) -> None:
        self._passed = 0
        while self._waiting and self._passed < STEPS_A_TURN:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                self._passed += 1
        if self._passed:
            self._loop.call_soon(self._next_turn)


async def heard(loop: asyncio.AbstractEventLoop, opened: socket.socket) -> None:
    """Wait until the peer has sent something, or has closed the connection."""
    first = loop.create_future()

    def readable() -> None:
        if not first.done():
            first.set_result(None)

    loop.add_reader(opened.fileno(), readable)
    try:
        await first
    finally:
        loop.remove_reader(opened.fileno())
