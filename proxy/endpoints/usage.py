"""The usage ledger: who still dials a legacy URI, how often, when last.

``usage_book`` adds up finished requests between two saves; ``summarise`` answers the
question: may this endpoint go?  Pure.

A request outside a dialog counts when it was sent to the endpoint's own address, also
when that is retired.  The service URIs behind it do not count, and neither does a
challenge (401, 407), after which the client asks again (decision 48).  So these are
legacy clients alone: a Persistent Chat client does not dial that address.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

OTHERS: Final = "(others)"
"""The name under which users are counted together when strangers make up too many."""


@dataclass(slots=True, unsafe_hash=True)
class Usage:
    """One client of one endpoint; treat it as immutable.

    It is not frozen, because that costs six times as much and each call makes one.

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
        """Seconds since the endpoint was last used or created, whichever is later.

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
    """At most ``most`` rows and one more for each endpoint; how many lost their name.

    The rows used longest ago are counted together, so that no request is lost.
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
