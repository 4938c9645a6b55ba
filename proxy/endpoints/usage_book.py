"""Adds up who uses an endpoint and what pools make of it, until that is saved.

``usage`` says what counts, and why.  Compiled, because every call passes here.  Pure.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

from proxy.endpoints.pool_usage import (
    BOUNDS,
    DAY,
    NO_TIMES,
    Key,
    PoolUsage,
    UserDays,
)
from proxy.endpoints.usage import OTHERS, Usage
from proxy.sip.display import visible
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.finished import Finished, Group
from proxy.sip.message import Request

COUNTED: Final = frozenset({b"INVITE", b"SUBSCRIBE"})
MAX_NAMES: Final = 10_000
DOCTOR: Final = "waypost-doctor"
"""The user name of our own probes, which are nobody's client."""
_LONGEST: Final = 200
"""Bytes of a name that a client gave itself: nothing that people have is longer."""
_NOWHERE: Final = 404
CHALLENGES: Final = frozenset({401, 407})
_GIVEN_UP: Final = 487
"""The caller has cancelled: no pool is to blame."""
MOST_DAYS: Final = 50_000
"""Users of one day that we remember as noted; beyond it we note some again."""


class _Counts:
    __slots__ = ("calls", "failed", "journeys", "times")

    def __init__(self) -> None:
        self.calls = self.failed = self.journeys = 0
        self.times = list(NO_TIMES)


class PoolBook:
    """Calls by pool, and who was where on which day."""

    __slots__ = ("_counts", "_day", "_known", "_noted", "_users")

    def __init__(self) -> None:
        self._counts: dict[Key, _Counts] = {}
        self._users: list[UserDays] = []
        # By endpoint and pool, which are few: a key of all three is an object for each.
        self._known: dict[tuple[str, str], set[str]] = {}
        self._noted = 0
        self._day = 0

    def count(self, call: Finished, aor: str, at: float, cutover: int) -> None:
        """Count a call to an endpoint or to one of its service URIs; ``at`` is
        wall-clock."""
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
        counts.times[bisect_left(BOUNDS, call.answered)] += 1

    def _note_user(self, endpoint: str, pool: str, aor: str, day: int) -> None:
        if day != self._day or self._noted >= MOST_DAYS:
            self._day = day
            self._known.clear()
            self._noted = 0
        where = endpoint, pool
        known = self._known.get(where)
        if known is None:
            known = self._known[where] = set()
        if aor not in known:
            known.add(aor)
            self._noted += 1
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


class _Count:
    """One client since the last ``take``; ``record`` is its latest request."""

    __slots__ = ("count", "failed", "first_at", "last_at", "record")

    def __init__(self, at: float, record: Finished) -> None:
        self.first_at = self.last_at = at
        self.record = record
        self.count = self.failed = 0


class UsageBook:
    """Adds up requests until they are taken away to be saved.

    ``cutover`` tells the number of the newest cutover, by which pools are compared.
    """

    __slots__ = ("_counts", "_pools", "counted", "cutover")

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], _Count] = {}
        self._pools = PoolBook()
        self.cutover: Callable[[], int] = lambda: 0
        self.counted = 0

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, record: Finished, at: float) -> None:
        """Take a finished request into account; ``at`` is wall-clock seconds."""
        if record.request.method not in COUNTED or record.status in CHALLENGES:
            return
        if record.rule not in ("endpoint", "learned"):
            return
        aor = shortened(record.request.from_aor())
        if record.pool and record.endpoint and not is_of_doctor(aor):
            self._pools.count(record, aor, at, self.cutover())
        if record.rule == "learned":
            return
        key = record.endpoint, aor
        found = self._counts.get(key)
        if found is None:
            if is_of_doctor(aor):
                return
            if len(self._counts) >= MAX_NAMES:
                key = record.endpoint, OTHERS
            found = self._counts.setdefault(key, _Count(at, record))
        found.last_at = at
        found.count += 1
        found.failed += record.status >= 300
        found.record = record
        self.counted += 1

    def count_all(self, group: Group) -> Group:
        """Count several; returns those of addresses that nobody serves, which belong
        into ``UnknownBook``."""
        others: Group = []
        for each in group:
            record, at = each
            self.count(record, at)
            if record.status == _NOWHERE:
                others.append(each)
        return others

    def take_pools(self) -> tuple[list[PoolUsage], list[UserDays]]:
        """What each pool made of the calls since the last time, and who was there."""
        return self._pools.take()

    def take(self, most: int | None = None) -> list[Usage]:
        """Take out of the book what was counted since the last time, at most so many
        clients: each takes some microseconds to put into words."""
        counts = self._counts
        if most is not None and len(counts) > most:
            some = [counts.popitem() for _ in range(most)]
            return [_usage(key, count) for key, count in some]
        self._counts = {}
        return [_usage(key, count) for key, count in counts.items()]


def _usage(key: tuple[str, str], count: _Count) -> Usage:
    return _row(
        key[0],
        key[1],
        count.record,
        count.first_at,
        count.last_at,
        count.count,
        count.failed,
    )


def row_of(address: str, aor: str, record: Finished, at: float) -> Usage:
    """The row of one request."""
    return _row(address, aor, record, at, at, 1, int(record.status >= 300))


def _row(
    address: str,
    aor: str,
    record: Finished,
    first_at: float,
    last_at: float,
    count: int,
    failed: int,
) -> Usage:
    request, source = record.request, record.source
    agent = (request.value("user-agent") or b"").decode("utf-8", "replace")
    return Usage(
        address,
        aor,
        first_at,
        last_at,
        count,
        failed,
        shortened(visible(agent)),
        shortened(visible(_epid(request))),
        f"{source.transport}:{source.host}",
    )


def is_of_doctor(aor: str) -> bool:
    """Whether a request is one of our own probes."""
    return aor.startswith(f"{DOCTOR}@")


def shortened(text: str) -> str:
    """At most ``_LONGEST`` bytes of it; names that share these are counted as one."""
    if len(text) * 4 <= _LONGEST:
        return text
    return text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")


def _epid(request: Request) -> str:
    """Which of a user's devices it was ([MS-SIP]), or nothing."""
    line = request.lines[request.index["from"]]
    if line.find(b"epid") < 0:
        return ""
    tail = line[line.rfind(b">") + 1 :]
    if tail.find(b'"') < 0 and tail.find(b" ") < 0:
        return (
            tail.partition(b";epid=")[2].partition(b";")[0].decode("ascii", "replace")
        )
    try:
        parameters = parse_name_addr(request.required("from")).parameters
    except MalformedMessage:
        return ""
    return (parameters.get("epid") or b"").decode("ascii", "replace")
