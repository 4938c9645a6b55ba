"""How much one look of the recorder may do.

Nobody's message comes in while it looks, and a flood gives it more to do than it is
worth.  A look that comes sooner may do so much less.
"""

import math
from typing import Final

from proxy.recorder.tape import Tape, Taped

LOOK: Final = 0.25
"""Seconds between two looks, or less; then each may do so much less."""
MOST_A_LOOK: Final = 50
"""Calls that are taken off the tape in one look: an outage must not cost the rest."""
MOST_TAKEN: Final = 500
"""Messages that are masked and kept in one look, of all calls together; a call that
there is no room for any more is not kept, and counted."""
MOST_OF_ONE: Final = 100
"""Of these, so many of one call: its first ones and its last."""
MOST_FAILED: Final = 400
"""Failures of calls that the book knows, read in one look; of others so few as above.
A flood of what cannot be read is refused by the thousand, and held up others' calls."""
MOST_READ: Final = 4 * 1024 * 1024
"""Bytes of the tape that are read a second for what calls have said before: a flood
fills the tape, and each look would want all of it."""
READ_AHEAD: Final = 2.0
"""Seconds for which that may be saved up: to read it takes 5 ms at most."""


class Allowance:
    """What is left to do; ``begin`` starts a look."""

    __slots__ = ("_may_read", "looked_at", "part")

    def __init__(self) -> None:
        self.looked_at = -LOOK
        self.part = 1.0
        self._may_read = MOST_READ * READ_AHEAD

    def begin(self, now: float) -> None:
        """A look at this instant of the loop's clock."""
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
        return self._of(MOST_TAKEN)

    @property
    def of_one(self) -> int:
        """Messages of one call that it may keep."""
        return self._of(MOST_OF_ONE)

    def _of(self, most: int) -> int:
        return math.ceil(most * self.part)

    def reach(self, tape: Tape, since: float) -> float:
        """From when on the tape is read for what was said since ``since``."""
        since, size = tape.reach(since, int(self._may_read))
        self._may_read -= size
        return since


def some_of(found: list[Taped]) -> list[Taped]:
    """As much of a call as is kept in one look: how it began, and how it ended."""
    if len(found) <= MOST_OF_ONE:
        return found
    first = MOST_OF_ONE // 4
    return found[:first] + found[first - MOST_OF_ONE :]
