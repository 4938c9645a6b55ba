"""Is the new pool worse than the old one?  Fisher's exact test, and a sentence.

"Worse": if both pools were alike, so many failures at the new one, or more, would come
about by chance in less than 5 % of all cases (Fisher's exact test, one-sided).

"No worse": if the new pool failed 5 points more often than the old one, it would show
more failures than it did in 95 % of all cases (the binomial distribution).  How often
the old one fails is not known either, so we take the lowest rate that its calls leave
open (Clopper and Pearson, one-sided).

Between the two there are too few calls to tell (decision 122).
"""

from dataclasses import dataclass
from math import comb, exp, lgamma, log, sqrt
from typing import Final, Literal

LEVEL: Final = 0.05
MARGIN: Final = 0.05
"""Points by which a new pool may fail more often before that must be noticed."""
TEST: Final = "Fisher's exact test, one-sided, at 5 %"
_EXACT_UP_TO: Final = 2_000
_SIGMAS: Final = 1.6448536269514722
"""So many standard deviations leave out 5 % at one end of a normal distribution."""
_HALVINGS: Final = 40

Judged = Literal["worse", "no worse", "too few"]
_WORDS: Final[dict[Judged, str]] = {
    "worse": "worse: roll back",
    "no worse": "no worse: widen",
    "too few": "too few to tell",
}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Failures among calls."""

    failed: int
    calls: int

    @property
    def rate(self) -> float:
        """The part that failed, 0 without calls."""
        return self.failed / self.calls if self.calls else 0.0


def fisher(old: Outcomes, new: Outcomes) -> float:
    """The chance of so many failures at the new pool, or more, if both were alike.

    The upper tail of the hypergeometric distribution: all failures are dealt out among
    all calls, of which ``new.calls`` are the new pool's.
    """
    calls, failed = old.calls + new.calls, old.failed + new.failed
    most = min(new.calls, failed)
    if calls <= _EXACT_UP_TO:
        ways = sum(
            comb(failed, k) * comb(calls - failed, new.calls - k)
            for k in range(new.failed, most + 1)
            if new.calls - k <= calls - failed
        )
        return ways / comb(calls, new.calls)
    whole = _log_comb(calls, new.calls)
    found = 0.0
    for k in range(new.failed, most + 1):
        if new.calls - k <= calls - failed:
            part = _log_comb(failed, k) + _log_comb(calls - failed, new.calls - k)
            found += exp(part - whole)
    return min(found, 1.0)


def at_most(failed: int, calls: int, rate: float) -> float:
    """The chance of so few failures, or fewer, where each call fails at ``rate``."""
    if rate >= 1.0:
        return 1.0 if failed >= calls else 0.0
    if rate <= 0.0:
        return 1.0
    return min(
        1.0,
        sum(
            exp(_log_comb(calls, k) + k * log(rate) + (calls - k) * log(1 - rate))
            for k in range(min(failed, calls) + 1)
        ),
    )


def at_least(old: Outcomes) -> float:
    """The lowest rate that so many failures leave open: at a lower one they, or more,
    come about in less than 5 % of all cases.
    """
    failed, calls = old.failed, old.calls
    if not failed:
        return 0.0
    if calls > _EXACT_UP_TO:
        return _wilson(old.rate, calls)
    low, high = 0.0, old.rate
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if 1.0 - at_most(failed - 1, calls, middle) < LEVEL:
            low = middle
        else:
            high = middle
    return low


def _wilson(rate: float, calls: int) -> float:
    """The lower end by Wilson's score: of so many calls it is as good, and sooner."""
    square = _SIGMAS * _SIGMAS / calls
    spread = _SIGMAS * sqrt(rate * (1 - rate) / calls + square / calls / 4)
    return max(0.0, (rate + square / 2 - spread) / (1 + square))


def judge(old: Outcomes, new: Outcomes) -> Judged:
    """What can be said of the new pool."""
    if not (old.calls and new.calls):
        return "too few"
    if fisher(old, new) < LEVEL:
        return "worse"
    if at_most(new.failed, new.calls, at_least(old) + MARGIN) < LEVEL:
        return "no worse"
    return "too few"


def sentence(old: Outcomes, new: Outcomes) -> str:
    """``old 0.4 % of 212, new 0.0 % of 23: too few to tell``."""
    return f"old {_share(old)}, new {_share(new)}: {_WORDS[judge(old, new)]}"


def _share(outcomes: Outcomes) -> str:
    return f"{outcomes.rate * 100:.1f} % of {outcomes.calls}"


def _log_comb(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
