"""Front ends and what a name resolved to: the values that pools are made of."""

from typing import Literal, NamedTuple

from proxy.sip.flow import Transport

ResolutionError = Literal["srv", "address", "timeout"]


class Lookup(NamedTuple):
    """A question for RFC 3263, and the key of the resolver's cache.

    ``transport`` is a fixed transport, or None for "whatever the name offers";
    ``port`` fixed means A/AAAA only.  ``host`` is lower case, without final dot.
    ``sips`` allows TLS only.
    """

    host: str
    port: int | None = None
    transport: Transport | None = None
    sips: bool = False


class FrontEnd(NamedTuple):
    """One address of a pool: transport, numeric address, port.

    ``name`` is the SRV target (or the name asked for) and is what logs show;
    ``pool`` the name that was asked for, which a certificate must cover (RFC 5922).
    """

    transport: Transport
    host: str
    port: int
    name: str = ""
    pool: str = ""
    priority: int = 0
    weight: int = 0

    @property
    def key(self) -> tuple[str, str, int]:
        """The address, not the record."""
        return (self.transport, self.host, self.port)

    @property
    def address_key(self) -> tuple[str, str, int, str]:
        """The key of health for what is true of the address, whatever pool asks."""
        return (self.transport, self.host, self.port, "")

    @property
    def pool_key(self) -> tuple[str, str, int, str]:
        """The key of health for what is true of the address as one of this pool's."""
        return (self.transport, self.host, self.port, self.server_name.lower())

    @property
    def server_name(self) -> str:
        """The name that a certificate must cover: the one asked for (RFC 5922)."""
        return self.pool or self.name or self.host

    @property
    def connection_key(self) -> tuple[str, str, int, str]:
        """The key of a shared connection: a TLS one was verified for one name."""
        name = self.server_name if self.transport == "tls" else ""
        return (self.transport, self.host, self.port, name)


class Resolution:
    """The answer to one Lookup.

    ``groups`` maps a transport to its front ends, one inner tuple per SRV priority,
    lowest (first choice) first; the order inside a group is the weight's business
    (``selection.py``).  ``naptr_order`` lists transports by NAPTR preference, empty
    without NAPTR.  ``expires`` is in core seconds; an expired Resolution stays usable
    (RFC 8767) and is marked ``stale`` once a refresh has failed.  ``error`` is set, and
    ``groups`` empty, when nothing usable was found.  ``plans`` is a slot for
    ``selection.py`` alone.
    """

    __slots__ = (
        "answered_at",
        "error",
        "expires",
        "groups",
        "lookup",
        "naptr_order",
        "plans",
        "reason",
        "resolved_at",
        "stale_since",
    )

    def __init__(
        self,
        lookup: Lookup,
        groups: dict[Transport, tuple[tuple[FrontEnd, ...], ...]],
        *,
        expires: float,
        resolved_at: float = 0.0,
        naptr_order: tuple[Transport, ...] = (),
        error: ResolutionError | None = None,
        reason: str = "",
    ) -> None:
        self.lookup = lookup
        self.groups = groups
        self.expires = expires
        self.resolved_at = resolved_at
        # When DNS last answered all of it; kept from the one before where it fails.
        self.answered_at = resolved_at
        self.naptr_order = naptr_order
        self.error = error
        self.reason = reason  # a sentence for logs and ms-diagnostics
        self.stale_since: float | None = None
        self.plans: dict[object, object] = {}

    def front_ends(self) -> list[FrontEnd]:
        """Every front end, all transports, in priority order."""
        return [
            front_end
            for groups in self.groups.values()
            for group in groups
            for front_end in group
        ]
