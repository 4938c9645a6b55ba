"""The usage ledger: who still dials a legacy URI, how often, when last.

``UsageBook`` adds up finished requests between two saves; ``summarise`` answers the one
question: may this endpoint go?  Pure.  What counts: a request outside a dialog to the
endpoint's own address, also to a retired one; not the service URIs behind it, and not a
challenge (401, 407), after which the client asks again.  So these are legacy clients
alone: a Persistent Chat client does not use it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from proxy.endpoints.pool_book import CHALLENGES, PoolBook
from proxy.endpoints.pool_usage import PoolUsage, UserDays
from proxy.sip.display import visible
from proxy.sip.errors import MalformedMessage
from proxy.sip.fields import parse_name_addr
from proxy.sip.flow import Flow
from proxy.sip.message import Request

COUNTED: Final = frozenset({b"INVITE", b"SUBSCRIBE"})
OTHERS: Final = "(others)"
"""The name under which users are counted together when strangers make up too many."""
MAX_NAMES: Final = 10_000
DOCTOR: Final = "waypost-doctor"
"""The user of our own probes, which is no client of anybody."""
_LONGEST: Final = 200
"""Bytes of a name that a client gave itself: nothing that people have is longer."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One client of one endpoint.

    ``aor`` is ``user@host`` in lower case.  ``failed`` counts final responses other
    than 2xx.  ``user_agent``, ``epid`` and ``source`` (``tcp:192.0.2.1``) are those of
    the last request.  Instants are seconds since the epoch.
    """

    endpoint_key: str
    aor: str
    first_at: float
    last_at: float
    count: int
    failed: int = 0
    user_agent: str = ""
    epid: str = ""
    source: str = ""


class UsageRecord(Protocol):
    """What the core tells of one finished request; ``core.commands.LogAccess``."""

    request: Request
    source: Flow
    status: int
    seconds: float
    rule: str
    endpoint: str
    pool: str
    answered: float


class _Count:
    """One client since the last ``take``; ``record`` is its latest request."""

    __slots__ = ("count", "failed", "first_at", "last_at", "record")

    def __init__(self, at: float, record: UsageRecord) -> None:
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

    def count(self, record: UsageRecord, at: float) -> None:
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

    def take_pools(self) -> tuple[list[PoolUsage], list[UserDays]]:
        """What each pool made of the calls since the last time, and who was there."""
        return self._pools.take()

    def take(self, most: int | None = None) -> list[Usage]:
        """What was counted since the last time, and is in the book no more; at most
        so many clients, for to put one into words takes some microseconds."""
        counts = self._counts
        if most is not None and len(counts) > most:
            some = [counts.popitem() for _ in range(most)]
            return [_usage(*key, count) for key, count in some]
        self._counts = {}
        return [_usage(*key, count) for key, count in counts.items()]


def _usage(endpoint: str, aor: str, count: _Count) -> Usage:
    row = row_of(endpoint, aor, count.record, count.last_at)
    return replace(row, first_at=count.first_at, count=count.count, failed=count.failed)


def row_of(address: str, aor: str, record: UsageRecord, at: float) -> Usage:
    """The row of one request."""
    request, source = record.request, record.source
    agent = (request.value("user-agent") or b"").decode("utf-8", "replace")
    return Usage(
        address,
        aor,
        at,
        at,
        1,
        int(record.status >= 300),
        shortened(visible(agent)),
        shortened(visible(_epid(request))),
        f"{source.transport}:{source.host}",
    )


def is_of_doctor(aor: str) -> bool:
    """Whether a request is one of our own probes."""
    return aor.startswith(f"{DOCTOR}@")


def shortened(text: str) -> str:
    """At most ``_LONGEST`` bytes of it; two names that begin so are counted as one."""
    if len(text) * 4 <= _LONGEST:
        return text
    return text.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")


def _epid(request: Request) -> str:
    """Which of a user's devices it was ([MS-SIP]), or nothing."""
    line = request.lines[request.index["from"]]
    if b"epid" not in line:
        return ""
    tail = line[line.rfind(b">") + 1 :]
    if b'"' not in tail and b" " not in tail:
        return (
            tail.partition(b";epid=")[2].partition(b";")[0].decode("ascii", "replace")
        )
    try:
        parameters = parse_name_addr(request.required("from")).parameters
    except MalformedMessage:
        return ""
    return (parameters.get("epid") or b"").decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class UsageSummary:
    """One endpoint's users as a whole; ``last`` is who used it last, if anybody.

    ``recent_users`` are those of the last ``days``; ``since`` is when the endpoint was
    created, and rows from before belong to one that was removed.
    """

    endpoint_key: str
    users: int
    requests: int
    recent_users: int
    days: int
    since: float
    last: Usage | None

    def quiet_for(self, now: float) -> float:
        """Seconds since it was last used, or since it can be used: the shorter one.

        One that was made anew an hour ago has not been quiet for longer than that.
        """
        return now - max(self.last.last_at if self.last else self.since, self.since)


def summarise(
    endpoint_key: str, rows: Sequence[Usage], since: float, now: float, days: int = 14
) -> UsageSummary:
    """Sum up an endpoint's rows; ``since`` is when it was created."""
    recent = [row for row in rows if row.last_at > now - days * 86_400]
    return UsageSummary(
        endpoint_key,
        len(rows),
        sum(row.count for row in rows),
        len(recent),
        days,
        since,
        max(rows, key=lambda row: row.last_at, default=None),
    )


def merged(older: Iterable[Usage], newer: Iterable[Usage]) -> list[Usage]:
    """Two lists as one, a row per endpoint and client: counts add up."""
    found = {(row.endpoint_key, row.aor): row for row in older}
    for row in newer:
        key = row.endpoint_key, row.aor
        known = found.get(key)
        if known is None:
            found[key] = row
            continue
        latest = row if row.last_at >= known.last_at else known
        found[key] = Usage(
            *key,
            min(known.first_at, row.first_at),
            latest.last_at,
            known.count + row.count,
            known.failed + row.failed,
            latest.user_agent,
            latest.epid,
            latest.source,
        )
    return list(found.values())


def bounded(rows: list[Usage], most: int) -> tuple[list[Usage], int]:
    """At most so many rows, and one more for each endpoint; how many lost their name.

    Those used longest ago are counted together, so that no request is lost.
    """
    left = [row for row in rows if row.aor != OTHERS]
    if len(left) <= most:
        return rows, 0
    left.sort(key=lambda row: row.last_at)
    gone = left[: len(left) - most]
    others = [row for row in rows if row.aor == OTHERS]
    unnamed = [
        replace(row, aor=OTHERS, user_agent="", epid="", source="") for row in gone
    ]
    return [*left[len(gone) :], *merged(others, unnamed)], len(gone)
