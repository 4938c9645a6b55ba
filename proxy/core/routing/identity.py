"""Which hosts and ports are ours, and which domains we serve.

A request whose Request-URI names us is for this proxy, and a Route entry that names us
is our own (RFC 3261 section 16.4).
"""

from collections.abc import Iterable

from proxy.core.settings import CoreSettings
from proxy.pools.srv import is_numeric
from proxy.sip.flow import DEFAULT_PORT, FlowTable, Listener
from proxy.sip.host import canonical_host
from proxy.sip.uri import SipUri


class Identity:
    """Which hosts and ports are ours.

    ``domains`` are the SIP domains that we serve: a URI with such a host and no user is
    for us, and one with a user is looked up.  ``node_address`` is where the other nodes
    reach this one.  Hosts are in the spelling of ``canonical_host``, like those of
    parsed URIs and of flows, so that addresses are compared by value (RFC 5954 section
    4.2).
    """

    __slots__ = ("_addresses", "_names", "_own", "_ports", "domains", "own_tails")

    def __init__(
        self,
        listeners: Iterable[Listener],
        domains: frozenset[str],
        local_addresses: frozenset[str] = frozenset(),
        node_address: tuple[str, int] | None = None,
    ) -> None:
        self.domains = domains
        self._own: set[tuple[str, int]] = set()
        self._names: set[str] = set()
        self._ports: set[int] = set()
        self._addresses = frozenset(map(canonical_host, local_addresses))
        self.own_tails: set[bytes] = set()
        if node_address is not None:
            self._own.add((canonical_host(node_address[0]), node_address[1]))
        for listener in listeners:
            host = canonical_host(listener.host)
            sent_host = canonical_host(listener.sent_host)
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
