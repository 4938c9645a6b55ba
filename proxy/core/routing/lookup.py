"""From a URI to the question that RFC 3263 answers (section 4)."""

from typing import Final

from proxy.pools.front_end import Lookup
from proxy.sip.cache import keep
from proxy.sip.uri import SipUri

_TRANSPORTS: Final = frozenset({"udp", "tcp", "tls"})
_lookups: Final[dict[bytes, Lookup]] = {}


def lookup_of(uri: SipUri) -> Lookup:
    """The question for this URI, remembered."""
    lookup = _lookups.get(uri.raw)
    if lookup is None:
        lookup = _lookup_of(uri)
        keep(_lookups, uri.raw, lookup)
    return lookup


def _lookup_of(uri: SipUri) -> Lookup:
    transport = uri.transport
    return Lookup(
        uri.target_host,
        uri.port,
        transport if transport in _TRANSPORTS else None,  # type: ignore[arg-type]
        uri.scheme == "sips",
    )
