"""Networks that the configuration names, and whether an address is in one."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from proxy.sip.host import network_of

_HOSTS_KEPT: Final = 10_000


class Networks:
    """A set of networks; it remembers its answers, because the same addresses ask again
    and again."""

    __slots__ = ("_known", "_networks")

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)
        self._known: dict[str, bool] = {}

    def __contains__(self, host: str) -> bool:
        """Whether this numeric address is in one of the networks."""
        if not self._networks:
            return False
        known = self._known.get(host)
        if known is None:
            address = ip_address(host.partition("%")[0])
            known = any(address in network for network in self._networks)
            if len(self._known) >= _HOSTS_KEPT:
                self._known.clear()
            self._known[host] = known
        return known


def source_of(host: str) -> str:
    """What counts as one source: an IPv4 address, or a /64, all of whose addresses one
    IPv6 host can use."""
    return network_of(host) if ":" in host else host
