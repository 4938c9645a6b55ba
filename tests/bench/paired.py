"""Two services in turn, and how sure one can be of what differs.

On a shared machine the same build costs 40 % more in one run than in the next, so two
runs show no difference of a few per cent.  What holds the machine up holds up both of
two services that take turns each second or two, so their ratio moves far less.  A round
is A B B A, the next B A A B: what drifts evenly cancels in each of them.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

SIDES: Final = ("A", "B")
ORDERS: Final = ("ABBA", "BAAB")
CHANCE: Final = 0.05
FEWEST: Final = 6
"""Rounds: fewer cannot show anything to one in twenty, however far apart they are."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio B/A and between what it lies, but for one case of twenty."""

    ratio: float
    low: float
    high: float

    @property
    def is_different(self) -> bool:
        """Whether the two differ, by all that is known."""
        return not self.low <= 1 <= self.high

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"{self.ratio:.3f} (too few rounds)"
        return f"{self.ratio:.3f} ({self.low:.3f} - {self.high:.3f})"


def estimate(ratios: Sequence[float]) -> Estimate:
    """What these ratios, one a round, say of the true one.

    Hodges' and Lehmann's: the median of the means of all pairs, and the interval that
    goes with Wilcoxon's signed ranks.  A round that somebody disturbed hardly moves it,
    and nothing is assumed of how noise is distributed, but that it is as likely to
    favour the one as the other.
    """
    logs = [math.log(each) for each in ratios]
    means = sorted(
        (logs[first] + logs[second]) / 2
        for first in range(len(logs))
        for second in range(first, len(logs))
    )
    cut = largest_unlikely(len(logs))
    middle = math.exp(statistics.median(means))
    if cut < 0:
        return Estimate(middle, 0.0, math.inf)
    return Estimate(middle, math.exp(means[cut]), math.exp(means[-1 - cut]))


def largest_unlikely(count: int) -> int:
    """The largest sum of so many signed ranks that chance alone reaches, or falls
    short of, in at most one case of forty; -1 when there is none."""
    ways = [1]  # of reaching each sum with the ranks so far
    for rank in range(1, count + 1):
        more = ways + [0] * rank
        for total, each in enumerate(ways):
            more[total + rank] += each
        ways = more
    limit, so_far, total = CHANCE / 2 * 2**count, 0, -1
    while so_far + ways[total + 1] <= limit:
        total += 1
        so_far += ways[total]
    return total


def words(found: Estimate) -> str:
    """The verdict for a reader; less is better."""
    if math.isinf(found.high):
        return f"at least {FEWEST} rounds are needed"
    low, high = (100 * (each - 1) for each in (found.low, found.high))
    if found.low > 1:
        return f"B is worse, by {low:.1f} to {high:.1f} %"
    if found.high < 1:
        return f"B is better, by {-high:.1f} to {-low:.1f} %"
    return f"no difference shown ({low:+.1f} to {high:+.1f} %)"


@dataclass(slots=True)
class Slice:
    """A second or two of load on one of the two; the other is at rest."""

    side: str
    calls: int
    failed: int
    retransmitted: int
    seconds: float
    cpu: dict[str, float]
    """Seconds of CPU of each, the one at rest included."""
    times: list[float] = field(default_factory=list)
    """Milliseconds to the first answer, sorted."""


@dataclass(slots=True)
class Round:
    """Four slices, two of each side."""

    slices: list[Slice]

    def cost(self, side: str, rest: float) -> float:
        """CPU seconds of 1,000 calls.

        What a service does later, while the other one is under load, counts as well;
        what it would have done without any load (``rest``, a second) does not.
        """
        spent = sum(each.cpu[side] - rest * each.seconds for each in self.slices)
        return 1000 * spent / max(self._calls(side), 1)

    def at(self, side: str, share: float) -> float:
        """The time within which this share of the calls had an answer."""
        times = sorted(t for x in self.slices if x.side == side for t in x.times)
        return times[int(len(times) * share)] if times else 0.0

    def _calls(self, side: str) -> int:
        return sum(each.calls for each in self.slices if each.side == side)

    @property
    def is_sound(self) -> bool:
        """Whether each side did its work, and nothing else."""
        calls = sum(each.calls for each in self.slices)
        repeated = sum(each.retransmitted for each in self.slices)
        return not any(x.failed for x in self.slices) and repeated <= calls / 100


def compared(pairs: Sequence[tuple[float, float]]) -> Estimate | None:
    """B against A, where there is something to compare."""
    if not pairs or any(a <= 0 or b <= 0 for a, b in pairs):
        return None
    return estimate([b / a for a, b in pairs])
