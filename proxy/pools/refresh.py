"""The cache of Resolutions, and which of them is due for a refresh when.

Names in use are resolved again at 80 % of their time to live, so that no request waits
for DNS; names out of use are dropped.  This module is pure: `resolver.py` asks DNS, and
`answers.py` has the single answers.
"""

import random
from collections.abc import Iterable
from typing import Final

from proxy.pools.answers import Answer, DnsLimits
from proxy.pools.front_end import Lookup, Resolution

REFRESH_AT: Final = 0.8
# ± this part of the time to live: nodes and names that began together drift apart.
JITTER: Final = 0.05


class Entry:
    """One cached name: its Resolution, the answers behind it, its times."""

    __slots__ = ("answers", "due", "resolution", "used_at")

    def __init__(self, resolution: Resolution, now: float) -> None:
        self.resolution = resolution
        self.answers: tuple[Answer, ...] = ()
        self.used_at = now
        self.due = 0.0


class ResolutionCache:
    """Lookup → Resolution, bounded, with a refresh schedule."""

    __slots__ = ("_entries", "_limits", "_pinned", "_rng")

    def __init__(self, limits: DnsLimits, rng: random.Random) -> None:
        self._limits = limits
        self._rng = rng
        self._entries: dict[Lookup, Entry] = {}
        self._pinned: frozenset[Lookup] = frozenset()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, lookup: Lookup, now: float) -> Resolution | None:
        """The Resolution, expired or not; a failure only while it holds."""
        entry = self._entries.get(lookup)
        if entry is None:
            return None
        resolution = entry.resolution
        if resolution.error is not None and now >= resolution.expires:
            return None
        entry.used_at = now
        return resolution

    def entry(self, lookup: Lookup) -> Entry | None:
        """The whole entry, for display; this is not a use of the name."""
        return self._entries.get(lookup)

    def lookups(self) -> list[Lookup]:
        """Every cached name."""
        return list(self._entries)

    def pin(self, lookups: Iterable[Lookup]) -> list[Lookup]:
        """Keep these names fresh without requests for them; returns those to resolve:
        what was found for a stranger is not all of it.

        Replaces what was pinned before.
        """
        before, self._pinned = self._pinned, frozenset(lookups)
        return [
            lookup
            for lookup in self._pinned
            if lookup not in before or lookup not in self._entries
        ]

    def is_pinned(self, lookup: Lookup) -> bool:
        """True for a name that is kept fresh without requests for it."""
        return lookup in self._pinned

    def is_of_pool(self, host: str) -> bool:
        """True for the name of a pool, whatever else is asked with it."""
        return any(lookup.host == host for lookup in self._pinned)

    def put(
        self, resolution: Resolution, answers: Iterable[Answer], now: float
    ) -> tuple[Resolution, bool]:
        """Store a new Resolution; returns the one that is valid and if that is news.

        When only its times have changed, the old object stays, so that references to it
        and the plans of `selection.py` remain valid.
        """
        lookup = resolution.lookup
        entry = self._entries.get(lookup)
        if entry is not None and _has_no_answer(resolution):
            resolution.answered_at = entry.resolution.answered_at
        if entry is None:
            self._make_room()
            entry = self._entries[lookup] = Entry(resolution, now)
            is_news = True
        elif self._keeps_old(entry.resolution, resolution, now):
            is_news = entry.resolution.stale_since is None
            if is_news:
                entry.resolution.stale_since = now
            entry.resolution.reason = resolution.reason
            entry.due = now + self._limits.retry * self._factor(1.0)
            return entry.resolution, is_news
        else:
            is_news = not _take_over(entry.resolution, resolution)
            if is_news:
                entry.resolution = resolution
        entry.answers = tuple(answers)
        entry.due = self._due(entry, now)
        return entry.resolution, is_news

    def take_due(self, now: float) -> list[Lookup]:
        """The names to resolve now; drops those that are out of use.

        A name that is handed out comes back with the next `put`.
        """
        found = []
        for lookup, entry in list(self._entries.items()):
            if now < entry.due:
                continue
            if lookup in self._pinned or self._in_use(entry, now):
                entry.due = float("inf")
                found.append(lookup)
            else:
                del self._entries[lookup]
        return found

    def ask_again(self, now: float) -> None:
        """Other servers are asked from now on: have every name in use resolved anew.

        The old results serve until then, but a failure of the old servers does not.
        """
        for lookup, entry in self._entries.items():
            if lookup in self._pinned or entry.resolution.error is None:
                entry.due = min(entry.due, now)
            if entry.resolution.error is not None:
                entry.resolution.expires = now

    def next_due(self) -> float | None:
        """When `take_due` has something to do again; None when never."""
        due = min((entry.due for entry in self._entries.values()), default=None)
        return None if due == float("inf") else due

    def _in_use(self, entry: Entry, now: float) -> bool:
        # A failure is asked for again by the request that needs it.
        if entry.resolution.error is not None:
            return False
        return now < entry.used_at + self._limits.idle

    def _due(self, entry: Entry, now: float) -> float:
        resolution = entry.resolution
        if resolution.error is not None or resolution.stale_since is not None:
            return max(resolution.expires, now + 1.0)
        begun = min(
            (a.received_at for a in entry.answers if a.expires <= resolution.expires),
            default=now,
        )
        due = begun + (resolution.expires - begun) * self._factor(REFRESH_AT)
        return max(due, now + 1.0)

    def _factor(self, middle: float) -> float:
        return middle + self._rng.uniform(-JITTER, JITTER)

    def _keeps_old(self, old: Resolution, new: Resolution, now: float) -> bool:
        """A look-up that failed for want of answers says nothing about the name."""
        return (
            new.error == "timeout"
            and old.error is None
            and now < old.expires + self._limits.stale
        )

    def _make_room(self) -> None:
        while len(self._entries) >= self._limits.max_names:
            unpinned = [e for e in self._entries if e not in self._pinned]
            victims = unpinned or list(self._entries)
            oldest = min(victims, key=lambda lookup: self._entries[lookup].used_at)
            del self._entries[oldest]


def _has_no_answer(resolution: Resolution) -> bool:
    return resolution.error == "timeout" or resolution.stale_since is not None


def _take_over(old: Resolution, new: Resolution) -> bool:
    """Move the times of ``new`` into ``old`` when they say the same."""
    if (old.groups, old.naptr_order, old.error, old.stale_since is None) != (
        new.groups,
        new.naptr_order,
        new.error,
        new.stale_since is None,
    ):
        return False
    old.expires = new.expires
    old.resolved_at = new.resolved_at
    old.answered_at = new.answered_at
    old.reason = new.reason
    return True
