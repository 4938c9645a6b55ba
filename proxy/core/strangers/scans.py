"""Sources that dial many addresses which nobody serves.

The answers to INVITE and OPTIONS tell which addresses exist, so a scanner tries names
by the thousand.  A network that has dialled many different ones in a short time is
reported, and its further 404s come late (decision 36).  Nothing changes for served
addresses, so a neighbour in the same network can call as before.
"""

from typing import Final

from proxy.sip.host import network_of

WINDOW: Final = 60.0
"""Seconds in which different addresses are counted together."""
MANY: Final = 20
"""Different unserved addresses in that time that make a scan; people mistype fewer."""
MOST: Final = 4_096
"""Networks that are remembered; the oldest go."""


class _Dialled:
    """What one network has dialled lately: hashes, and at most ``MANY`` of them."""

    __slots__ = ("addresses", "count", "since")

    def __init__(self, now: float) -> None:
        self.addresses: set[int] = set()
        self.since = now
        self.count = 0


class Scans:
    """How many unserved addresses each network has dialled."""

    __slots__ = ("_networks",)

    def __init__(self) -> None:
        self._networks: dict[str, _Dialled] = {}

    def __len__(self) -> int:
        return len(self._networks)

    def is_scan(self, host: str, address: str, now: float) -> bool:
        """``host`` has dialled an ``address`` that nobody serves; True when its network
        is scanning."""
        network = network_of(host)
        dialled = self._networks.pop(network, None)
        if dialled is None:
            if len(self._networks) >= MOST:
                del self._networks[next(iter(self._networks))]
            dialled = _Dialled(now)
        self._networks[network] = dialled
        if now - dialled.since > WINDOW:
            # A network that goes on scanning starts the next window at the limit, so it
            # gets no ``MANY`` free names each minute.
            goes_on = len(dialled.addresses) >= MANY and dialled.count >= MANY // 2
            dialled.addresses = set(range(-MANY, 0)) if goes_on else set()
            dialled.since = now
            dialled.count = 0
        dialled.count += 1
        if len(dialled.addresses) < MANY:
            dialled.addresses.add(hash(address))
        return len(dialled.addresses) >= MANY
