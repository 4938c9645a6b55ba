"""Hosts in one spelling, so that equal hosts are equal texts.

An IPv6 address has many spellings (RFC 5954 section 4.2: addresses are compared by
value), and a name may differ in case and final dot.  Every parser of a host calls this
once; all comparisons after it are plain ones (decision 33).
"""

from ipaddress import IPv6Address, ip_address
from typing import Final

LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a listener on all addresses is reached from its own machine."""


def canonical_host(text: str) -> str:
    """``text`` in lower case, without brackets and final dot; IPv6 as RFC 5952 has it.

    An IPv4 address that is written as IPv6 (``::ffff:192.0.2.1``, RFC 4291 section
    2.5.5.2) is the IPv4 address: packets to it are IPv4.  A text that looks like an
    IPv6 address and is none stays as it was written; it can match no host.
    """
    host = text.lower()
    if ":" not in host:
        return host.rstrip(".")
    host = host.strip("[]")
    # RFC 5118 section 4.10: the grammar of RFC 3261 allows a third colon.
    host = host.replace(":::", "::")
    try:
        address = ip_address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def network_of(address: str) -> str:
    """The /24 of an IPv4 address, the /64 of an IPv6 address, as a firewall takes
    it."""
    if ":" not in address:
        return f"{address.rpartition('.')[0]}.0/24"
    return _leading(address, 64)


def site_of(address: str) -> str:
    """The /48 of an IPv6 address: the most that one customer gets (RFC 6177)."""
    return _leading(address, 48)


def _leading(address: str, bits: int) -> str:
    rest = 128 - bits
    number = int(IPv6Address(address.partition("%")[0])) >> rest << rest
    return f"{IPv6Address(number)}/{bits}"


def bracketed(host: str) -> str:
    """A host as it stands in front of a port: IPv6 in brackets (RFC 3261 section 25.1,
    ``IPv6reference``)."""
    return f"[{host}]" if ":" in host else host


def host_port(host: str, port: int) -> str:
    """``host:port`` for a URI, a Via, a log line or a screen."""
    return f"{bracketed(host)}:{port}"
