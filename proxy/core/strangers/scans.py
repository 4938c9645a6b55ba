"""Sources that dial many addresses which nobody serves.

The answers to INVITE and OPTIONS tell which addresses exist, so a scanner tries names
by the thousand.  A network that has dialled many different ones in a short time is
reported, and its further 404s come late (decision 36).  Nothing changes for served
addresses, so a neighbour in the same network can call as before.

An IPv6 network is a /64, and the owner of a whole site (a /48) has 65,536 of them.  So
each site counts as well, and may dial as many as ten networks.
"""

from typing import Final

from proxy.sip.host import network_of, site_of

WINDOW: Final = 60.0
"""Seconds in which different addresses are counted together."""
MANY: Final = 20
"""Different unserved addresses in that time that make a scan; people mistype fewer."""
MANY_OF_A_SITE: Final = 10 * MANY
MOST: Final = 4_096
"""Networks, and sites, that are remembered; the oldest go."""


class _Dialled:
    """What one source has dialled lately: hashes, and not many of them."""

    __slots__ = ("addresses", "count", "since")

    def __init__(self, now: float) -> None:
        self.addresses: set[int] = set()
        self.since = now
        self.count = 0


class Scans:
    """How many unserved addresses each network, and each site, has dialled."""

    __slots__ = ("_networks", "_sites")

    def __init__(self) -> None:
        self._networks: dict[str, _Dialled] = {}
        self._sites: dict[str, _Dialled] = {}

    def __len__(self) -> int:
        return len(self._networks) + len(self._sites)

    def source(self, host: str, address: str, now: float) -> str:
        """``host`` has dialled an ``address`` that nobody serves: the site or network
        that is scanning; empty when neither is."""
        network = network_of(host)
        is_scan = _is_scan(self._networks, network, address, MANY, now)
        if ":" in host:
            site = site_of(host)
            if _is_scan(self._sites, site, address, MANY_OF_A_SITE, now):
                return site
        return network if is_scan else ""


def _is_scan(
    known: dict[str, _Dialled], source: str, address: str, many: int, now: float
) -> bool:
    """Count one more address; whether there were so many that this is a scan."""
    dialled = known.pop(source, None)
    if dialled is None:
        if len(known) >= MOST:
            del known[next(iter(known))]
        dialled = _Dialled(now)
    known[source] = dialled
    if now - dialled.since > WINDOW:
        # A source that goes on scanning starts the next window at the limit, so it gets
        # no ``many`` free names each minute.
        goes_on = len(dialled.addresses) >= many and dialled.count >= many // 2
        dialled.addresses = set(range(-many, 0)) if goes_on else set()
        dialled.since = now
        dialled.count = 0
    dialled.count += 1
    if len(dialled.addresses) < many:
        dialled.addresses.add(hash(address))
    return len(dialled.addresses) >= many
