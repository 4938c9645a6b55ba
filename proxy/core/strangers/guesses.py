"""How often passwords may be tried, so that guessing takes for ever and nobody is
locked out by somebody else.

What is tried too often is not looked at.  Wrong passwords are counted by source, and by
user where many sources try one user.  Neither keeps the right user out: who has
registered from here before has a budget of its own, and a source that has not guessed
wrong lately is always heard.

A source of IPv6 is a /64, and whoever has a whole site (a /48) has 65,536 of them: so
a site counts as well, as ten sources do, and is as innocent as its worst one.
"""

from typing import Final

from proxy.core.networks import site_of, source_of
from proxy.sip.flow import Flow

BURST: Final = 10.0
"""Wrong passwords that are looked at in a row."""
EVERY: Final = 6.0
"""Seconds until another one is."""
INNOCENT_AFTER: Final = 600.0
"""Seconds since its last wrong password after which a source is like any other."""
OF_A_SITE: Final = 0.1
"""What a wrong password counts for its site: as many as of ten sources in a row."""
MOST: Final = 10_000
"""Sources, sites, users and registered places remembered, each; the oldest go."""

Place = tuple[str, str, int]
"""User, source, and port; port 0 for any."""
_Key = Place | str


class _Budgets:
    """Leaky buckets by key: how full each was, and when."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: dict[_Key, tuple[float, float]] = {}

    def __len__(self) -> int:
        return len(self._levels)

    def level(self, key: _Key, now: float) -> float:
        """How many wrong passwords count at ``now``."""
        found = self._levels.get(key)
        if found is None:
            return 0.0
        level, at = found
        return max(level - max(now - at, 0.0) / EVERY, 0.0)

    def spend(self, key: _Key, now: float, weight: float = 1.0) -> None:
        """One more."""
        level = self.level(key, now) + weight
        self._levels.pop(key, None)
        if len(self._levels) >= MOST:
            del self._levels[next(iter(self._levels))]
        self._levels[key] = level, now

    def last(self, key: _Key) -> float:
        """When the last one was."""
        found = self._levels.get(key)
        return found[1] if found else float("-inf")

    def wait(self, key: _Key, now: float) -> float:
        """Seconds until one more is allowed; 0.0 when it is now."""
        return max((self.level(key, now) - BURST + 1.0) * EVERY, 0.0)


class Guesses:
    """``wrong`` passwords and tries ``held`` back are counted for the metrics."""

    __slots__ = ("_places", "_sites", "_sources", "_users", "_welcome", "held", "wrong")

    def __init__(self) -> None:
        self._sources = _Budgets()
        self._sites = _Budgets()
        self._users = _Budgets()
        self._places = _Budgets()
        self._welcome: dict[Place, None] = {}  # where users have registered from
        self.wrong = 0
        self.held = 0

    def wait(self, user: str, exists: bool, flow: Flow, now: float) -> float:
        """Seconds until ``user`` may be tried from there; 0.0 when that is now.

        ``exists``: only then is there anything to guess, and the name worth memory.
        """
        place = self._place(user, flow)
        if place is not None:
            return self._places.wait(place, now)
        source = source_of(flow.host)
        wait = self._sources.wait(source, now)
        last = self._sources.last(source)
        if ":" in flow.host:
            site = site_of(flow.host)
            wait = max(wait, self._sites.wait(site, now))
            last = max(last, self._sites.last(site))
        if exists and now - last < INNOCENT_AFTER:
            wait = max(wait, self._users.wait(user, now))
        return wait

    def failed(self, user: str, exists: bool, flow: Flow, now: float) -> float:
        """A wrong password was looked at; how many count against its source now."""
        self.wrong += 1
        place = self._place(user, flow)
        if place is not None:
            self._places.spend(place, now)
            return self._places.level(place, now)
        source = source_of(flow.host)
        self._sources.spend(source, now)
        if ":" in flow.host:
            self._sites.spend(site_of(flow.host), now, OF_A_SITE)
        if exists:
            self._users.spend(user, now)
        return self._sources.level(source, now)

    def succeeded(self, user: str, flow: Flow) -> None:
        """The right password: this user is at home there.

        The source's own count stays: whoever has an account could clear it at will.
        """
        source = source_of(flow.host)
        for place in ((user, source, flow.port), (user, source, 0)):
            self._welcome.pop(place, None)
            if len(self._welcome) >= MOST:
                del self._welcome[next(iter(self._welcome))]
            self._welcome[place] = None

    def _place(self, user: str, flow: Flow) -> Place | None:
        """Where ``user`` has registered from: this very port, or this address."""
        source = source_of(flow.host)
        for place in ((user, source, flow.port), (user, source, 0)):
            if place in self._welcome:
                return place
        return None
