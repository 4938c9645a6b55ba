"""Sources that dial many addresses which nobody serves.

INVITE and OPTIONS tell by their answers which addresses exist, so a scanner tries
names by the thousand.  One that has dialled many different ones in a short time is
reported, and what it hears of the next ones comes late.  Served addresses are not
touched: a neighbour in the same network dials them as ever.
"""

from typing import Final

from proxy.sip.host import network_of

WINDOW: Final = 60.0
"""Seconds in which different addresses are counted together."""
MANY: Final = 20
"""Different addresses of nobody in that time; people do not mistype so many."""
MOST: Final = 4_096
"""Networks that are remembered; the oldest go."""


class _Dialled:
    """What one network has dialled of late: hashes, and no more than are needed."""

    __slots__ = ("addresses", "count", "since")

    def __init__(self, now: float) -> None:
        self.addresses: set[int] = set()
        self.since = now
        self.count = 0


class Scans:
    """Who has dialled how many, by network."""

    __slots__ = ("_networks",)

    def __init__(self) -> None:
        self._networks: dict[str, _Dialled] = {}

    def __len__(self) -> int:
        return len(self._networks)

    def is_scan(self, host: str, address: str, now: float) -> bool:
        """``host`` has dialled an ``address`` of nobody: is it one of many?"""
        network = network_of(host)
        dialled = self._networks.pop(network, None)
        if dialled is None:
            if len(self._networks) >= MOST:
                del self._networks[next(iter(self._networks))]
            dialled = _Dialled(now)
        self._networks[network] = dialled
        if now - dialled.since > WINDOW:
            # Whoever goes on scanning starts at the mark: no free names each minute.
            goes_on = len(dialled.addresses) >= MANY and dialled.count >= MANY // 2
            dialled.addresses = set(range(-MANY, 0)) if goes_on else set()
            dialled.since = now
            dialled.count = 0
        dialled.count += 1
        if len(dialled.addresses) < MANY:
            dialled.addresses.add(hash(address))
        return len(dialled.addresses) >= MANY
