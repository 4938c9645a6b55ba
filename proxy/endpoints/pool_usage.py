"""What each pool made of an endpoint's calls, by day and by cutover.

The ledger says who called; this says how it went at each of two pools, so that they can
be compared.  Days are those of UTC, counted from 1970.  Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

DAY: Final = 86_400
EPOCH: Final = date(1970, 1, 1)
BOUNDS: Final = tuple(0.001 * 2 ** (n / 2) for n in range(28))
"""Upper bounds of the time buckets, seconds: from 1 ms to 12 s, √2 apart."""
NO_TIMES: Final = (0,) * (len(BOUNDS) + 1)

Key = tuple[str, str, int, int]


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """An endpoint's calls (INVITEs to its address) at one pool on one day.

    ``cutover`` is the number of the newest cutover then, 0 for none.  ``failed`` are
    those with a final answer other than 2xx, but for challenges and calls that the
    caller gave up.  ``journeys`` are users who came through to the channel: INVITEs of
    a service URI that were answered 2xx.  ``times`` are counts by ``BOUNDS`` of the
    time until the first answer: until the first response other than 100 went back to
    the caller, a refusal of our own included.
    """

    endpoint_key: str
    pool_fqdn: str
    day: int
    cutover: int
    calls: int = 0
    failed: int = 0
    journeys: int = 0
    times: tuple[int, ...] = NO_TIMES

    @property
    def key(self) -> Key:
        """The identity of the row."""
        return self.endpoint_key, self.pool_fqdn, self.day, self.cutover

    def plus(self, other: "PoolUsage") -> "PoolUsage":
        """Both together, under the name of this one."""
        return PoolUsage(
            *self.key,
            self.calls + other.calls,
            self.failed + other.failed,
            self.journeys + other.journeys,
            tuple(a + b for a, b in zip(self.times, other.times, strict=True)),
        )

    def quantile(self, part: float) -> float | None:
        """Seconds within which ``part`` (0 to 1) of the calls had their first answer.

        It is the upper bound of a bucket; None without calls.
        """
        total = sum(self.times)
        if not total:
            return None
        left = part * total
        for bound, count in zip((*BOUNDS, float("inf")), self.times, strict=True):
            left -= count
            if left <= 1e-9:
                return bound
        return float("inf")


@dataclass(frozen=True, slots=True)
class UserDays:
    """The days on which one user of an endpoint was at a pool."""

    endpoint_key: str
    pool_fqdn: str
    aor: str
    days: tuple[int, ...]


def users_left(
    rows: Iterable[UserDays], before: int, leads_to: str = ""
) -> dict[str, int]:
    """Distinct users seen after a day, by the pool that each was at last.

    Only the day is known.  A user who was at two pools on the same day counts as having
    been at ``leads_to`` last, which is where the endpoint leads now.
    """
    last: dict[str, tuple[int, bool, str]] = {}
    for row in rows:
        newest = max(row.days, default=before)
        if newest > before:
            seen = newest, row.pool_fqdn == leads_to, row.pool_fqdn
            last[row.aor] = max(last.get(row.aor, seen), seen)
    found: dict[str, int] = {}
    for *_, pool in last.values():
        found[pool] = found.get(pool, 0) + 1
    return found


def bucket_of_time(seconds: float) -> int:
    """The place in ``times`` of a call that took so long."""
    return bisect_left(BOUNDS, seconds)


def added(rows: Iterable[PoolUsage]) -> dict[Key, PoolUsage]:
    """Rows of one key as one."""
    found: dict[Key, PoolUsage] = {}
    for row in rows:
        known = found.get(row.key)
        found[row.key] = row if known is None else known.plus(row)
    return found


def total(rows: Sequence[PoolUsage], pool: str) -> PoolUsage:
    """All of a pool's rows as one, whatever endpoint, day and cutover."""
    found = PoolUsage("", pool, 0, 0)
    for row in rows:
        if row.pool_fqdn == pool:
            found = found.plus(row)
    return found


def users_by_day(rows: Iterable[UserDays]) -> dict[tuple[str, str, int], int]:
    """Distinct users by endpoint, pool and day."""
    found: dict[tuple[str, str, int], int] = {}
    for row in rows:
        for day in row.days:
            key = row.endpoint_key, row.pool_fqdn, day
            found[key] = found.get(key, 0) + 1
    return found


def date_of(day: int) -> str:
    """A day since 1970, as people write it."""
    return (EPOCH + timedelta(day)).isoformat()
