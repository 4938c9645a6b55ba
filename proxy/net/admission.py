"""Which peers may have a connection, and which one gives way (decision 83).

Strangers share a number of places, with limits for each address and each network (/24,
/64: one IPv6 host can use every address of its /64).  When all places are taken, the
newcomer gets one, and a stranger gives way: the one that has been silent longest, in
the network that holds most places.  Friends are not counted: networks that we trust,
our pools and nodes, and peers whose certificate we know.

``stream.py`` limits what a connection may then cost; the core decides how many requests
it may send.
"""

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, Protocol

import structlog

from proxy.net.settings import DEFAULT_ADMISSION, AdmissionSettings
from proxy.sip.host import network_of

log = structlog.get_logger()

TELL_EVERY: Final = 10.0
"""Seconds between two log lines about refusals for one reason."""
AT_LEAST_SILENT: Final = 1.0
"""Seconds of silence after which a stranger gives way to a newcomer whose network holds
no more places than its own."""
AT_ONCE: Final = 16
"""How many give way at a time: to look for them costs a walk over all connections."""
LOOK_AGAIN: Final = 0.25
"""Seconds after a vain look for silent strangers before the next one."""
REMEMBERED: Final = 4_096
"""Addresses for which we remember whether they are friends."""

REASONS: Final = ("source", "network", "full", "descriptors")


class Holder(Protocol):
    """The holder of a place."""

    @property
    def silent_since(self) -> float:
        """When the peer last sent anything, on the loop's clock."""

    @property
    def is_proven(self) -> bool:
        """Whether the peer is no stranger any more, and so need not give way."""

    def give_way(self) -> None:
        """Close, now."""


class Place:
    """One connection's place; ``holder`` is None until a peer has it."""

    __slots__ = ("holder", "host", "is_counted", "is_held", "network")

    def __init__(self, host: str, network: str, is_counted: bool) -> None:
        self.host = host
        self.network = network
        self.is_counted = is_counted
        self.is_held = True
        self.holder: Holder | None = None


class Admission:
    """The places of accepted connections.

    ``known`` are numeric addresses of pools and nodes, ``refused_for`` counts by
    reason, ``gave_way`` those that were closed for a newcomer.
    """

    __slots__ = (
        "_by_network",
        "_by_source",
        "_friends",
        "_in_vain_for",
        "_in_vain_until",
        "_known",
        "_now",
        "_settings",
        "_told",
        "gave_way",
        "refused_for",
        "total",
    )

    def __init__(
        self,
        now: Callable[[], float],
        settings: AdmissionSettings = DEFAULT_ADMISSION,
    ) -> None:
        self._now = now
        self._settings = settings
        self._by_source: Counter[str] = Counter()
        self._by_network: dict[str, dict[Place, None]] = {}
        self._known: frozenset[str] = frozenset()
        self._friends: dict[str, bool] = {}
        self._in_vain_until = 0.0
        self._in_vain_for = 0
        self.total = 0
        self.gave_way = 0
        self.refused_for = dict.fromkeys(REASONS, 0)
        self._told: dict[str, float] = {}

    @property
    def known(self) -> frozenset[str]:
        """Numeric addresses of pools and of other nodes."""
        return self._known

    @known.setter
    def known(self, hosts: frozenset[str]) -> None:
        self._known = hosts
        self._friends.clear()

    def take(self, host: str) -> Place | str:
        """A place for a connection from ``host``, or why there is none."""
        if self.is_friend(host):
            return Place(host, "", False)
        settings = self._settings
        network = network_of(host)
        neighbours = self._by_network.get(network, {})
        if self._by_source.get(host, 0) >= settings.per_source:
            return self._refuse("source", host)
        if len(neighbours) >= settings.per_network:
            return self._refuse("network", host)
        if self.total >= settings.total and not self._make_room(len(neighbours)):
            return self._refuse("full", host)
        place = Place(host, network, True)
        self._by_network.setdefault(network, {})[place] = None
        self._by_source[host] += 1
        self.total += 1
        return place

    def give_back(self, place: Place) -> None:
        """The connection has ended; further calls do nothing."""
        if place.is_held:
            place.is_held = False
            place.holder = None
            self._uncount(place)

    def befriend(self, place: Place) -> None:
        """The holder is a peer that we know: it no longer counts as a stranger."""
        self._uncount(place)

    def is_friend(self, host: str) -> bool:
        """Whether ``host`` (numeric) is ours, or in a network that we trust."""
        if host in self._known:
            return True
        if not self._settings.trusted:
            return False
        found = self._friends.get(host)
        if found is None:
            address = ip_address(host)
            found = any(address in network for network in self._settings.trusted)
            if len(self._friends) >= REMEMBERED:
                self._friends.clear()
            self._friends[host] = found
        return found

    def no_descriptors(self) -> None:
        """No descriptor is left: let strangers give way."""
        self._refuse("descriptors", "")
        self._make_room(-1)

    @property
    def refused(self) -> int:
        """Connections refused so far, for any reason."""
        return sum(self.refused_for.values())

    def _refuse(self, reason: str, host: str) -> str:
        """Count a refusal, and log one for each reason every ``TELL_EVERY`` seconds."""
        self.refused_for[reason] += 1
        now = self._now()
        if now >= self._told.get(reason, 0.0) + TELL_EVERY:
            self._told[reason] = now
            log.warning(
                "connection.refused",
                reason=reason,
                source=host,
                so_far=self.refused_for[reason],
                held=self.total,
            )
        return reason

    def _uncount(self, place: Place) -> None:
        if not place.is_counted:
            return
        place.is_counted = False
        self.total -= 1
        self._by_source[place.host] -= 1
        if not self._by_source[place.host]:
            del self._by_source[place.host]
        neighbours = self._by_network[place.network]
        del neighbours[place]
        if not neighbours:
            del self._by_network[place.network]

    def _make_room(self, of_newcomer: int) -> bool:
        """Let strangers give way to one whose network has ``of_newcomer`` places.

        First strangers of the network that holds most places.  If that holds hardly
        more than the newcomer's, or if all of its peers have signed in, then silent
        strangers of any network that holds at least as many as the newcomer's.  A peer
        of a smaller network keeps its place: otherwise a few large networks could drive
        out all others by turns.  False when nobody gives way.
        """
        now = self._now()
        largest = max(self._by_network.values(), key=len, default={})
        if len(largest) > of_newcomer + 1 and self._ask(list(largest), now):
            return True
        if now < self._in_vain_until and of_newcomer >= self._in_vain_for:
            return False  # a look over all connections would hardly find one yet
        equals = [
            place
            for each in self._by_network.values()
            if len(each) >= of_newcomer
            for place in each
        ]
        if self._ask(equals, now - AT_LEAST_SILENT):
            return True
        self._in_vain_until, self._in_vain_for = now + LOOK_AGAIN, of_newcomer
        return False

    def _ask(self, places: list[Place], latest: float) -> bool:
        """Of these the strangers that are silent since ``latest`` or longer give way,
        those that are silent longest first; False when there are none."""
        silent = [
            (place.holder.silent_since, number, place.holder)
            for number, place in enumerate(places)
            if place.holder is not None
            and not place.holder.is_proven
            and place.holder.silent_since <= latest
        ]
        silent.sort()
        for _, _, holder in silent[: min(AT_ONCE, max(1, len(silent) // 4))]:
            self.gave_way += 1
            holder.give_way()
        return bool(silent)
