"""Calls and failures of the last hour, minute by minute.  Pure: time is an argument.

The service counts since its start; we keep the differences between two looks.  A
counter that is smaller than before belongs to a service that was started again.
"""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final

MINUTES: Final = 60
_LINE: Final = re.compile(
    r"^waypost_requests_finished_total\{([^}\n]*)\} ([0-9.e+]+)$", re.MULTILINE
)
_LABEL: Final = re.compile(r'\b(\w+)="([^"]*)"')
FAILED: Final = frozenset({"5xx", "6xx"})


@dataclass(slots=True)
class Minute:
    """INVITEs that had their final answer: all, and those that failed."""

    began: int
    calls: int = 0
    failed: int = 0


def counts(metrics: str) -> tuple[int, int]:
    """Calls and failed calls since the start of a service, from a scrape."""
    calls = failed = 0
    for found in _LINE.finditer(metrics):
        labels = dict(_LABEL.findall(found[1]))
        if labels.get("method") != "INVITE":
            continue
        value = int(float(found[2]))
        calls += value
        if labels.get("class") in FAILED:
            failed += value
    return calls, failed


class Hour:
    """The last sixty minutes, as far as somebody has looked."""

    def __init__(self) -> None:
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._last: tuple[int, int] | None = None

    def add(self, found: tuple[int, int], now: float) -> None:
        """What a service has counted by now."""
        before, self._last = self._last, found
        minute = int(now // 60) * 60
        if not self._minutes or self._minutes[-1].began < minute:
            self._minutes.append(Minute(minute))
        if before is None:
            return  # what happened before the first look has no minute
        is_anew = found[0] < before[0] or found[1] < before[1]
        base = (0, 0) if is_anew else before
        self._minutes[-1].calls += found[0] - base[0]
        self._minutes[-1].failed += found[1] - base[1]

    def minutes(self, now: float) -> list[Minute]:
        """Those of the last hour, in order; where nobody looked there is none."""
        first = now - MINUTES * 60
        return [each for each in self._minutes if each.began >= first - 60]
