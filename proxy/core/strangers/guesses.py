"""How often passwords may be tried (decision 36).

Guessing must take for ever, and nobody must be able to lock out somebody else.  When a
budget of wrong passwords is used up, we do not look at further ones.  There is a budget
for each source, and one for each user where many sources try the same user.  Neither
keeps the right user out: a user has a budget of its own at every place where it has
registered before, and the budget of the user does not count against a source that has
not guessed wrong lately.

An IPv6 source is a /64, and the owner of a whole site (a /48) has 65,536 of them.  So
each site has a budget as well, that of ten sources.  Its sources count as innocent only
when none of them has guessed wrong lately.
"""

from typing import Final

from proxy.core.networks import source_of
from proxy.sip.flow import Flow
from proxy.sip.host import site_of

BURST: Final = 10.0
"""Wrong passwords in a row that we look at."""
EVERY: Final = 6.0
"""Seconds after which we look at one more."""
INNOCENT_AFTER: Final = 600.0
"""Seconds after its last wrong password until a source counts as innocent again."""
OF_A_SITE: Final = 0.1
"""How much a wrong password counts for its site, which so has the budget of ten
sources."""
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
        """Count one wrong password, or ``weight`` of one."""
        level = self.level(key, now) + weight
        self._levels.pop(key, None)
        if len(self._levels) >= MOST:
            del self._levels[next(iter(self._levels))]
        self._levels[key] = level, now

    def last(self, key: _Key) -> float:
        """When the last wrong password was; minus infinity for none."""
        found = self._levels.get(key)
        return found[1] if found else float("-inf")

    def wait(self, key: _Key, now: float) -> float:
        """Seconds until one more may be tried; 0.0 for now."""
        return max((self.level(key, now) - BURST + 1.0) * EVERY, 0.0)


class Guesses:
    """The budgets of sources, sites, users and known places.

    For the metrics ``wrong`` counts wrong passwords, and ``held`` the tries that we did
    not look at.
    """

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
        """Seconds until a password of ``user`` may be tried from there; 0.0 for now.

        ``exists`` says whether there is such a user.  Only then is there a password to
        guess, and only then is the name worth memory.
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
        """A password was wrong; returns how many count against its source now."""
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
        """A password was right: remember the place for this user.

        The count of the source stays: otherwise the owner of any account could clear it
        at will.
        """
        source = source_of(flow.host)
        for place in ((user, source, flow.port), (user, source, 0)):
            self._welcome.pop(place, None)
            if len(self._welcome) >= MOST:
                del self._welcome[next(iter(self._welcome))]
            self._welcome[place] = None

    def _place(self, user: str, flow: Flow) -> Place | None:
        """The place of ``flow`` if ``user`` has registered from there before: from this
        very port, or else from this address."""
        source = source_of(flow.host)
        for place in ((user, source, flow.port), (user, source, 0)):
            if place in self._welcome:
                return place
        return None
