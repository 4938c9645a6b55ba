"""Counts what access records tell: outcomes, attempts, failovers, latency.

Records are counted when they are flushed, a few times a second and off the message
path.  Every label is of bounded variety: a stranger cannot make us keep names.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

from proxy.sip.finished import Finished

BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 12.0),
)
"""Upper bounds of the latency buckets, seconds; 12 s is a request's whole budget."""

_METHODS: Final[dict[bytes, str]] = {
    name.encode(): name
    for name in "INVITE SUBSCRIBE REGISTER OPTIONS MESSAGE NOTIFY INFO REFER "
    "PUBLISH".split()
}
_OTHER: Final = "other"


class AccessTally:
    """Requests outside dialogs, since the start of the process."""

    __slots__ = ("attempts", "buckets", "failovers", "finished", "seconds")

    def __init__(self) -> None:
        self.finished: Counter[tuple[str, str]] = Counter()  # method, class
        self.attempts: Counter[tuple[str, str]] = Counter()  # pool, outcome
        self.failovers: Counter[str] = Counter()  # pool
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def begin_at_zero(self, pools: Iterable[str]) -> None:
        """Have what alerts look at stand at 0 before the first failure.

        Prometheus computes a rate from what is added to a first value: failures that
        come with that first value are in no rate, and raise nothing.
        """
        for method in (*_METHODS.values(), _OTHER):
            self.finished.setdefault((method, "5xx"), 0)
        for pool in pools:
            self.failovers.setdefault(pool, 0)

    def count(self, record: Finished) -> None:
        """Take one finished request into account; our own chat probes do not count."""
        if record.rule == "probe":
            return
        name = _METHODS.get(record.request.method, _OTHER)
        self.finished[name, _class_of(record.status)] += 1
        self.buckets[bisect_left(BOUNDS, record.seconds)] += 1
        self.seconds += record.seconds
        attempts = record.attempts
        for each in attempts:
            self.attempts[record.pool, _outcome(each[1])] += 1
        if len(attempts) > 1:
            self.failovers[record.pool] += len(attempts) - 1


_CLASSES: Final = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx")


def _class_of(status: int) -> str:
    return _CLASSES[status // 100] if 0 <= status < 700 else f"{status // 100}xx"


def _outcome(word: str) -> str:
    """``200`` is 2xx; words such as ``refused`` stay."""
    return _class_of(int(word)) if word.isdigit() else word
