"""What the core needs to know of the configuration; plain values, no files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from proxy.sip.limits import DEFAULT_LIMITS, MessageLimits


@dataclass(frozen=True, slots=True)
class PoolCodes:
    """Statuses of one pool: those after which the next front end is tried, and those of
    OPTIONS that fail a probe."""

    failover: frozenset[int]
    probe: frozenset[int]


@dataclass(frozen=True, slots=True)
class Attempts:
    """How long a request may take, in seconds (decision 3).

    ``connect``: until a stream connection exists.  ``silence``: until anything at all
    comes back.  ``first_answer``: until anything but 100 Trying comes back; both count
    only while another front end is left.  ``total``: the whole search.

    ``failover_codes`` are the final statuses after which the next front end is tried;
    ``of_pools`` has the pools, in lower case, that have codes of their own.
    """

    connect: float = 2.0
    first_answer: float = 4.0
    total: float = 12.0
    failover_codes: frozenset[int] = frozenset({503})
    silence: float = 2.0
    of_pools: Mapping[str, PoolCodes] = field(default_factory=dict)

    def codes_of(self, pool: str) -> frozenset[int]:
        """The statuses of a pool after which the next front end is tried."""
        own = self.of_pools.get(pool.lower()) if self.of_pools else None
        return self.failover_codes if own is None else own.failover

    def probe_codes_of(self, pool: str) -> frozenset[int]:
        """The statuses of OPTIONS that fail a probe of a pool's front end."""
        own = self.of_pools.get(pool.lower()) if self.of_pools else None
        return self.failover_codes if own is None else own.probe


@dataclass(frozen=True, slots=True)
class RegistrarSettings:
    """Who may register and for how long.

    ``realm`` is what a digest challenge names.  A user name without a domain belongs to
    ``domain``.  ``algorithms`` are offered in this order.  A REGISTER from a trusted
    network needs no credentials.  Expiry is in seconds (RFC 3261 section 10.3 item 7).
    """

    realm: str
    domain: str
    algorithms: tuple[str, ...] = ("SHA-256",)
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    min_expires: int = 60
    default_expires: int = 3600
    max_expires: int = 7200
    max_contacts: int = 10


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Settings of one proxy.

    ``domains`` are the SIP domains served, in lower case.  ``default_route`` is the URI
    of the next hop for requests that no other rule takes; None refuses them.
    ``local_addresses`` are the numeric addresses that a wildcard listener answers on.
    ``source`` names us in ms-diagnostics.  Of ``keys`` the first signs flow tokens, and
    all verify.  ``memory`` is how many bytes may be held for requests and answers.
    Without ``registrar`` a REGISTER is a request like any other.  ``node_address`` is
    where other nodes reach this one.  ``trusted_networks`` may say who is calling (RFC
    3325).  With ``asks_store`` a request for an address that memory does not know waits
    for a look-up in the store.
    """

    domains: frozenset[str] = frozenset()
    source: str = "waypost"
    default_route: bytes | None = None
    attempts: Attempts = field(default_factory=Attempts)
    limits: MessageLimits = DEFAULT_LIMITS
    local_addresses: frozenset[str] = frozenset()
    keys: tuple[bytes, ...] = (b"",)
    max_transactions: int = 200_000
    memory: int = 1 << 40
    log_access: bool = True
    registrar: RegistrarSettings | None = None
    node_address: tuple[str, int] | None = None
    asks_store: bool = False
    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = ()
