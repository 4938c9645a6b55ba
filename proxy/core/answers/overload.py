"""What waits, and what is refused, when more comes in than we can serve (decision 113).

Requests that begin something can wait better than others: a request inside a dialog
ends or refreshes something that both ends believe in.  So new dialogs and registrations
wait in a queue, as they came and unread, and requests inside dialogs overtake them.  So
do a few new ones of sources of which nothing waits.  A new request gets 503 with
Retry-After (RFC 3261 section 21.5.4) only when it would wait too long, because a legacy
client whose first INVITE fails does not try again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from proxy.core.answers.fair_queue import FairQueue
from proxy.core.guard import Guard
from proxy.core.validation import Refusal
from proxy.location.service import LocationService
from proxy.sip.flow import Account, Flow
from proxy.sip.message import Request
from proxy.transaction.budget import Budget
from proxy.transaction.timers import Timers

PATIENCE: Final = 15.0
"""Seconds that a new request may wait: half of what its client waits (Timer B, F)."""
PACE: Final = 0.02
"""Seconds between two looks at the queue; sockets are read in between."""
SLICE: Final = 64
"""Requests of the queue that go on at one look while no socket is full."""
EMPTYING: Final = 2.0
"""Seconds after a socket was found full in which none go on: to read the socket is
cheap, and it holds requests inside dialogs."""
SLICE_BEHIND: Final = 1
MOST_BEHIND: Final = 8
"""While a socket stays full for longer, ``SLICE_BEHIND`` go on at the first look, one
more after each look that came in time, up to ``MOST_BEHIND``, and half as many after a
late one."""
LATE: Final = 3 * PACE
"""Seconds between two looks from which on the second one was late."""
AT_ONCE: Final = 2
"""New requests in ``PACE`` seconds that need not wait, from sources of which nothing
waits: a peer that floods us must not make everybody else wait."""

_OVERTAKES: Final = (b"ACK ", b"BYE ", b"INFO ", b"NOTIFY ", b"BENOTIFY ", b"SIP/")


def come_back(rng: random.Random) -> Refusal:
    """503 with a Retry-After that differs from caller to caller.

    Otherwise all callers that are refused in one moment would come back in one moment.
    """
    return Refusal(503, "", (b"Retry-After: %d" % rng.randrange(5, 20),))


def to_line(data: bytes) -> bytes:
    """The first To line of a message that has not been parsed; empty without one.

    This is a guess from the bytes.  A message in an odd form counts as new, and waits.
    """
    for name in (b"\nTo:", b"\nto:", b"\nt:", b"\nTo :", b"\nTO:", b"\nT:"):
        start = data.find(name)
        if start >= 0:
            end = data.find(b"\n", start + 1)
            return data[start:end] if end > 0 else data[start:]
    return b""


def address_of(line: bytes) -> str:
    """``user@host`` of a plain To line in lower case; empty when it is not plain."""
    start = line.find(b"sip:")
    if start < 0:
        return ""
    end = start + 4
    while end < len(line) and line[end] not in b">;?\r \t":
        end += 1
    return line[start + 4 : end].decode("ascii", "replace").lower()


class Overload:
    """The queue of new requests; ``go_on`` takes a message as if it had just come.

    ``is_on`` is set while the shell reports a socket that is never empty.  ``is_busy``
    is set as well while requests still wait, because later ones wait behind them.
    """

    __slots__ = (
        "_at_once",
        "_budget",
        "_go_on",
        "_guard",
        "_is_refused",
        "_location",
        "_looked_at",
        "_on_since",
        "_refusals",
        "_rng",
        "_since",
        "_slice",
        "_timers",
        "is_busy",
        "is_on",
        "postponed",
        "refused",
        "waiting",
    )

    def __init__(
        self,
        guard: Guard,
        timers: Timers,
        location: LocationService,
        budget: Budget,
        rng: random.Random,
        go_on: Callable[[Flow, bytes, float], None],
    ) -> None:
        self._guard = guard
        self._refusals = guard.refusals
        self._timers = timers
        self._location = location
        self._budget = budget
        self._rng = rng
        self._go_on = go_on
        self.waiting = FairQueue()
        self._is_refused = False
        self._slice = SLICE_BEHIND
        self._looked_at = 0.0
        self._at_once = 0
        self._on_since = 0.0
        self._since = 0.0
        self.is_on = False
        self.is_busy = False
        self.postponed = 0
        self.refused = 0

    def changed(self, is_on: bool, now: float) -> None:
        """The shell has fallen behind, or has caught up."""
        self.is_on = is_on
        self._on_since = now
        self.is_busy = is_on or len(self.waiting) > 0
        self._is_refused = False
        self._slice = SLICE_BEHIND

    def parks(self, flow: Flow, data: bytes, now: float) -> bool:
        """Whether this message is put into the queue; asked while ``is_busy``.

        A new request that would wait too long is not.  It is read, and ``refuses``
        then refuses it.
        """
        self._is_refused = False
        if not self._is_new(data):
            return False
        waiting = self.waiting
        if waiting.holds(data):
            return True
        source = self._budget.account(flow)
        if data.startswith(b"CANCEL "):
            # It must not overtake its INVITE, which may be in the queue.
            if not waiting.has(source):
                return False
        elif self._passes(source, now):
            return False
        late = now - waiting.since(source, now) >= PATIENCE
        if late or not waiting.has_room(source, flow):
            self._is_refused = True
            return False
        if not len(waiting):
            self._looked_at = now
            self._timers.start("postponed", PACE, self, now)
        waiting.put(source, flow, data, now)
        self.postponed += 1
        return True

    def _passes(self, source: Account, now: float) -> bool:
        """Whether a new request goes on at once: a few do, of sources of which nothing
        waits."""
        if self.waiting.has(source):
            return False
        if now - self._since >= PACE:
            self._since = now
            self._at_once = AT_ONCE
        self._at_once -= 1
        return self._at_once >= 0

    def _is_new(self, data: bytes) -> bool:
        """Whether a message begins something, and so may wait.

        A request inside a dialog has a To tag (section 12.2).  A REGISTER for an
        address that has bindings refreshes or ends one (section 10.2.4).
        """
        if data.startswith(_OVERTAKES):
            return False
        line = to_line(data)
        if b"tag=" in line:
            return False
        if data.startswith(b"REGISTER "):
            return not self._location.has(address_of(line))
        return True

    def refuses(self, request: Request, reply_flow: Flow) -> bool:
        """Whether this new request would wait too long; answers it with 503 if so."""
        if not self._is_refused:
            return False
        self._is_refused = False
        self.refused += 1
        self._refusals.count += 1
        self._refusals.once(reply_flow, request, come_back(self._rng))
        return True

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner: let the next requests of the queue go on."""
        waiting = self.waiting
        self._is_refused = False
        for _ in range(min(self._turn(now), len(waiting))):
            flow, data = waiting.take()
            try:
                self._go_on(flow, data, now)
            except Exception as error:
                self._guard.message(flow, data, error)
        if len(waiting):
            self._timers.start("postponed", PACE, self, now)
        self.is_busy = self.is_on or len(waiting) > 0

    def _turn(self, now: float) -> int:
        """How many go on at this look.

        When the look comes late, the last ones were too many for this processor,
        whatever it is.
        """
        late, self._looked_at = now - self._looked_at > LATE, now
        if not self.is_on:
            return SLICE
        if now - self._on_since < EMPTYING:
            return 0
        turn = self._slice
        self._slice = max(turn // 2, 1) if late else min(turn + 1, MOST_BEHIND)
        return turn
