"""Counts what each pool makes of an endpoint's calls, until it is taken to be saved."""

from typing import Final, Protocol

from proxy.endpoints.pool_usage import (
    DAY,
    NO_TIMES,
    Key,
    PoolUsage,
    UserDays,
    bucket_of_time,
)
from proxy.sip.message import Request

CHALLENGES: Final = frozenset({401, 407})
_GIVEN_UP: Final = 487
"""The caller has cancelled: no pool is to blame."""
MOST_DAYS: Final = 50_000
"""Users of one day that are known to be noted; beyond it some are noted twice."""


class Call(Protocol):
    """What the core tells of one finished request."""

    request: Request
    status: int
    answered: float
    rule: str
    endpoint: str
    pool: str


class _Counts:
    __slots__ = ("calls", "failed", "journeys", "times")

    def __init__(self) -> None:
        self.calls = self.failed = self.journeys = 0
        self.times = list(NO_TIMES)


class PoolBook:
    """Calls by pool, and who was where on which day."""

    __slots__ = ("_counts", "_day", "_known", "_users")

    def __init__(self) -> None:
        self._counts: dict[Key, _Counts] = {}
        self._users: list[UserDays] = []
        self._known: set[tuple[str, str, str]] = set()
        self._day = 0

    def count(self, call: Call, aor: str, at: float, cutover: int) -> None:
        """An endpoint's call, or one of its service URIs; ``at`` is wall-clock."""
        if call.request.method != b"INVITE":
            return
        day = int(at // DAY)
        key = call.endpoint, call.pool, day, cutover
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = _Counts()
        if call.rule == "learned":
            counts.journeys += call.status < 300
            return
        self._note_user(call.endpoint, call.pool, aor, day)
        if call.status == _GIVEN_UP:
            return
        counts.calls += 1
        counts.failed += call.status >= 300
        counts.times[bucket_of_time(call.answered)] += 1

    def _note_user(self, endpoint: str, pool: str, aor: str, day: int) -> None:
        if day != self._day or len(self._known) >= MOST_DAYS:
            self._day = day
            self._known.clear()
        who = endpoint, pool, aor
        if who not in self._known:
            self._known.add(who)
            self._users.append(UserDays(endpoint, pool, aor, (day,)))

    def take(self) -> tuple[list[PoolUsage], list[UserDays]]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        users, self._users = self._users, []
        rows = [
            PoolUsage(*key, x.calls, x.failed, x.journeys, tuple(x.times))
            for key, x in counts.items()
        ]
        return rows, users
