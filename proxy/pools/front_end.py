"""Front ends, the questions for them, and the answers: the values of this package."""

from typing import Literal, NamedTuple

from proxy.sip.flow import Transport

ResolutionError = Literal["srv", "address", "timeout"]


class Lookup(NamedTuple):
    """A question for RFC 3263, and the key of the resolver's cache.

    ``host`` is in lower case, without the final dot.  ``transport`` is None for
    whatever the name offers.  With a ``port`` only A and AAAA records are asked for
    (section 4.2).  ``sips`` allows TLS only.
    """

    host: str
    port: int | None = None
    transport: Transport | None = None
    sips: bool = False


class FrontEnd(NamedTuple):
    """One address of a pool: transport, numeric address, port.

    ``name`` is the SRV target, or the name asked for, and is what logs show.  ``pool``
    is the name asked for, which a certificate must cover (RFC 5922).
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
        """The address alone, without names and weights."""
        return (self.transport, self.host, self.port)

    @property
    def address_key(self) -> tuple[str, str, int, str]:
        """The key for the health of the address, whichever pool asks (decision 131)."""
        return (self.transport, self.host, self.port, "")

    @property
    def pool_key(self) -> tuple[str, str, int, str]:
        """The key for the health of the address as a front end of this pool."""
        return (self.transport, self.host, self.port, self.server_name.lower())

    @property
    def server_name(self) -> str:
        """The name that a certificate must cover: the one asked for (RFC 5922)."""
        return self.pool or self.name or self.host

    @property
    def connection_key(self) -> tuple[str, str, int, str]:
        """The key of a connection that requests share; one of TLS was verified for one
        name, so only requests to that name may share it."""
        name = self.server_name if self.transport == "tls" else ""
        return (self.transport, self.host, self.port, name)


class Resolution:
    """The answer to one Lookup.

    ``groups`` maps a transport to its front ends, one inner tuple per SRV priority, the
    lowest (first choice) first; ``selection.py`` orders each group by weight (RFC
    2782).  ``naptr_order`` lists transports by NAPTR preference, empty without NAPTR.
    ``expires`` is in core seconds.  An expired Resolution stays usable (RFC 8767);
    ``stale_since`` is when its refresh failed first.  ``error`` is set, and ``groups``
    empty, when nothing usable was found.  ``plans`` belongs to ``selection.py`` alone.
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
        # When DNS last answered all questions for it; a failed refresh keeps the value.
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
