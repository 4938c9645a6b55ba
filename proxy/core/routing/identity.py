"""Which hosts and ports are ours, and which domains we serve.

A request whose Request-URI names us is for this proxy, and a Route entry that names us
is our own (RFC 3261 section 16.4).
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from proxy.core.settings import CoreSettings
from proxy.pools.srv import is_numeric
from proxy.sip.flow import DEFAULT_PORT, FlowTable, Listener
from proxy.sip.host import canonical_host
from proxy.sip.uri import SipUri

_NOBODY: Final = "nobody"
_LOOPBACK: Final = "loopback"
_LINK: Final = "link"


class Identity:
    """Which hosts and ports are ours.

    ``domains`` are the SIP domains that we serve: a URI with such a host and no user is
    for us, and one with a user is looked up.  ``node_address`` is where the other nodes
    reach this one.  Hosts are in the spelling of ``canonical_host``, like those of
    parsed URIs and of flows, so that addresses are compared by value (RFC 5954 section
    4.2).
    """

    __slots__ = (
        "_addresses",
        "_hosts",
        "_names",
        "_own",
        "_ports",
        "domains",
        "own_tails",
    )

    def __init__(
        self,
        listeners: Iterable[Listener],
        domains: frozenset[str],
        local_addresses: frozenset[str] = frozenset(),
        node_address: tuple[str, int] | None = None,
    ) -> None:
        self.domains = domains
        self._own: set[tuple[str, int]] = set()
        self._hosts: set[str] = set()
        self._names: set[str] = set()
        self._ports: set[int] = set()
        self._addresses = frozenset(map(canonical_host, local_addresses))
        self.own_tails: set[bytes] = set()
        if node_address is not None:
            self._own.add((canonical_host(node_address[0]), node_address[1]))
        for listener in listeners:
            host = canonical_host(listener.host)
            sent_host = canonical_host(listener.sent_host)
            self._hosts.add(host)
            self._own.add((host, listener.port))
            self._own.add((sent_host, listener.sent_port))
            self._own.add((host, listener.outlet.port))
            if not is_numeric(sent_host):
                self._names.add(sent_host)
            self.own_tails.add(listener.sent_by)
            if listener.host in ("0.0.0.0", "::"):
                self._ports.add(listener.port)

    def is_own(self, host: str, port: int | None, sips: bool = False) -> bool:
        """True when this host and port reach one of our listeners.

        The port always counts, because two servers of one machine may differ in nothing
        else.  An address without a port stands for the default ports.  A name without a
        port is looked up by SRV, which may name any port (RFC 3263 section 4.2), so our
        name alone is ours whatever ports we listen on.
        """
        if port is None and host in self._names:
            return True
        ports = (
            (port,)
            if port is not None
            else (DEFAULT_PORT["tls"],)
            if sips
            else (DEFAULT_PORT["udp"], DEFAULT_PORT["tls"])
        )
        for candidate in ports:
            if (host, candidate) in self._own:
                return True
            if candidate in self._ports and host in self._addresses:
                return True
        return False

    def is_own_host(self, host: str, listener: Listener) -> bool:
        """True for an address of this machine that ``listener`` answers on."""
        return host == listener.host or host in self._addresses

    def may_name(self, host: str, by: str) -> bool:
        """Whether somebody at ``by`` may have us send to ``host`` (both numeric).

        Contacts name places, and everybody may write one (decision 9).  But what we
        send to this machine passes no firewall, and the services on its loopback trust
        everybody.  So only who is on this machine may name it, and who is on the link
        an address of the link.  Nobody may name a group or a broadcast address.
        """
        kind = _kind_of(host)
        if kind == _NOBODY:
            return False
        if kind == _LINK:
            return _kind_of(by) == _LINK
        return not self._is_here(host) or self._is_here(by)

    def _is_here(self, host: str) -> bool:
        """True for an address of this machine."""
        return (
            host in self._hosts
            or host in self._addresses
            or _kind_of(host) == _LOOPBACK
        )

    def is_own_uri(self, uri: SipUri) -> bool:
        """True when ``uri`` names this proxy itself (not a served domain's user)."""
        sips = uri.scheme == "sips" or uri.transport == "tls"
        return self.is_own(uri.host, uri.port, sips)

    def is_own_route(self, uri: SipUri) -> bool:
        """True for a Route entry of ours: our address, or a domain that we serve."""
        return self.is_own_uri(uri) or (uri.port is None and uri.host in self.domains)


def identity_of(settings: CoreSettings, flows: FlowTable) -> Identity:
    """Our identity by listeners and configuration."""
    return Identity(
        flows.listeners,
        settings.domains,
        settings.local_addresses,
        settings.node_address,
    )


@lru_cache(maxsize=4096)
def _kind_of(host: str) -> str:
    """What a numeric address is if it is not one of any one machine; else empty."""
    try:
        address = ip_address(canonical_host(host.partition("%")[0]))
    except ValueError:
        return ""
    if address.is_loopback:
        return _LOOPBACK
    if address.is_link_local:
        return _LINK
    is_one = not (address.is_unspecified or address.is_multicast)
    return "" if is_one and str(address) != "255.255.255.255" else _NOBODY
