"""How much work one look of the recorder may do.

A look runs in the event loop, so no message is read while it lasts, and a flood could
fill it with work that helps nobody.  A look that comes early may do less, in proportion
to the time since the last one.
"""

import math
from typing import Final

from proxy.recorder.chunk import Taped
from proxy.recorder.tape import Tape

LOOK: Final = 0.25
"""Seconds between two looks; a full piece of the tape asks for one sooner."""
MOST_A_LOOK: Final = 50
"""Calls taken off the tape in one look, so that an outage holds up no other call."""
MOST_TAKEN: Final = 500
"""Messages masked and kept in one look, of all calls together.  A call for which there
is no room left is not kept; ``Recorder.skipped`` counts it."""
MOST_OF_ONE: Final = 100
"""So many of these may be of one call: its first messages and its last."""
FEW: Final = 30
"""So many are kept however early a look comes: a call that is watched says as much
within a millisecond, and to keep them takes one."""
MOST_FAILED: Final = 400
"""Failures read in one look, of calls that the book knows; of other calls a look reads
``MOST_A_LOOK``.  We refuse a flood of unreadable messages by the thousand, and to read
every refusal held up other calls."""
MOST_READ: Final = 4 * 1024 * 1024
"""Bytes of the tape read in a second for what calls said before they failed.  A flood
fills the tape, and each look would want to read all of it."""
READ_AHEAD: Final = 2.0
"""Seconds for which this may be saved up: reading so much takes 5 ms at most."""


class Allowance:
    """What the present look may still do; ``begin`` starts a look."""

    __slots__ = ("_may_read", "looked_at", "part")

    def __init__(self) -> None:
        self.looked_at = -LOOK
        self.part = 1.0
        self._may_read = MOST_READ * READ_AHEAD

    def begin(self, now: float) -> None:
        """Start a look; ``now`` is the loop's time in seconds."""
        passed = max(now - self.looked_at, 0.0)
        self.looked_at = now
        self.part = min(passed / LOOK, 1.0)
        most = MOST_READ * READ_AHEAD
        self._may_read = min(self._may_read + passed * MOST_READ, most)

    @property
    def calls(self) -> int:
        """Calls that this look may take off the tape."""
        return self._of(MOST_A_LOOK)

    @property
    def failures(self) -> int:
        """Failures that it may read, of calls that the book knows."""
        return self._of(MOST_FAILED)

    @property
    def messages(self) -> int:
        """Messages that it may keep."""
        return max(self._of(MOST_TAKEN), FEW)

    @property
    def of_one(self) -> int:
        """Messages of one call that it may keep."""
        return max(self._of(MOST_OF_ONE), FEW)

    def _of(self, most: int) -> int:
        return math.ceil(most * self.part)

    def reach(self, tape: Tape, since: float) -> float:
        """From when on the tape may be read: ``since``, or later if it is too much."""
        since, size = tape.reach(since, int(self._may_read))
        self._may_read -= size
        return since


def some_of(found: list[Taped]) -> list[Taped]:
    """What one look keeps of a call: how it began, and how it ended."""
    if len(found) <= MOST_OF_ONE:
        return found
    first = MOST_OF_ONE // 4
    return found[:first] + found[first - MOST_OF_ONE :]
