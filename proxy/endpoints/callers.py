"""Whether the failures that a guard sees are one caller's: no caller trips it alone.

A caller that has found a body to which the pool answers 500 may send it for ever.  So
callers are counted apart, in a few buckets by their address, which keeps no name.  When
too many calls fail and others are served, the guard judges the others without the
bucket that has most failures (decision 138).  Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from zlib import crc32

OF_CALLER: Final = "caller "
SERVED_TO: Final = "ok"
FAILED_FOR: Final = "bad"
BUCKETS: Final = 64
OTHERS_SERVED: Final = 5
"""Calls of others that must have been served while one caller failed."""
_MOST_MARKS: Final = 64


def bucket_of_caller(aor: str) -> str:
    """The bucket of a caller, the same in every process: the store adds them up."""
    return f"{OF_CALLER}{crc32(aor.encode('utf-8', 'replace')) % BUCKETS:02}"


@dataclass(frozen=True, slots=True)
class TopCaller:
    """The bucket with most failures: how many, and what was served to it."""

    bucket: str
    failed: int
    served: int

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "TopCaller | None":
        """Find it; None when no failure was counted for a caller."""
        failed = {
            what.rpartition(" ")[0]: count
            for what, count in counts.items()
            if what.startswith(OF_CALLER) and what.endswith(FAILED_FOR) and count > 0
        }
        if not failed:
            return None
        bucket = max(sorted(failed), key=lambda each: failed[each])
        served = counts.get(f"{bucket} {SERVED_TO}", 0)
        return cls(bucket, failed[bucket], served)


class Marks:
    """How many calls of others had been served when a caller had failed so often.

    Nobody knows the order of what was counted before the first look, so all that others
    were served by then counts as served while the caller failed.
    """

    __slots__ = ("_by_bucket", "_has_looked")

    def __init__(self) -> None:
        self._has_looked = False
        self._by_bucket: dict[str, list[tuple[int, int]]] = {}

    def note(self, counts: Mapping[str, int], served: int) -> None:
        """Take the sums as they are now; ``served`` is all that was."""
        for what, failed in counts.items():
            if not (what.startswith(OF_CALLER) and what.endswith(FAILED_FOR)):
                continue
            bucket = what.rpartition(" ")[0]
            others = served - counts.get(f"{bucket} {SERVED_TO}", 0)
            others = others if self._has_looked else 0
            marks = self._by_bucket.setdefault(bucket, [])
            if not marks or marks[-1][0] < failed:
                marks.append((failed, others))
            if len(marks) > _MOST_MARKS:  # every second one is exact enough
                del marks[1:-1:2]
        self._has_looked = True

    def served_meanwhile(self, top: TopCaller, failed: int, others: int) -> int:
        """Calls of others served since the later half of a caller's failures began.

        ``failed`` is how often it has failed in all, ``others`` what was served to
        others in all.
        """
        half = failed - top.failed / 2
        marks = self._by_bucket.get(top.bucket, [])
        before = next((x[1] for x in marks if x[0] >= half), others)
        return others - before
