"""RFC 3263: what to ask of DNS, and what the answers mean.

RFC 3263 sections 4.1 (transport) and 4.2 (port and address), RFC 2782 (SRV), RFC 7984
(dual stack).  This module is pure: DNS answers come in as plain values, and a
`Resolution` goes out.  `resolver.py` asks, and `selection.py` chooses among the front
ends.
"""

import ipaddress
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.pools.front_end import FrontEnd, Lookup, Resolution, ResolutionError
from proxy.sip.flow import DEFAULT_PORT, Transport

TRANSPORTS: Final[tuple[Transport, ...]] = ("tls", "tcp", "udp")

# `_sips._tcp` is RFC 3263's name for TLS, `_sip._tls` what a Lync pool publishes.
SERVICE_LABELS: Final[dict[Transport, tuple[str, ...]]] = {
    "udp": ("_sip._udp",),
    "tcp": ("_sip._tcp",),
    "tls": ("_sips._tcp", "_sip._tls"),
}
NAPTR_SERVICES: Final[dict[str, Transport]] = {
    "sip+d2u": "udp",
    "sip+d2t": "tcp",
    "sips+d2t": "tls",
}
_UNIQUE_LOCAL = ipaddress.ip_network("fc00::/7")


class Bounds(NamedTuple):
    """How much of what a zone lists is looked at; the first choices are kept.

    ``services`` are the SRV names that NAPTR may point at, ``targets`` those of one
    look-up, ``addresses`` those of one target, ``front_ends`` those of one transport.
    """

    services: int
    targets: int
    addresses: int
    front_ends: int


OF_POOLS: Final = Bounds(8, 64, 16, 128)
"""A zone that lists more is broken."""
OF_OTHERS: Final = Bounds(4, 8, 4, 16)
"""For names that strangers write into a Contact: their zones may be made to cost us
questions, processor and memory."""


class SrvRecord(NamedTuple):
    """One SRV record; ``target`` is lower case without final dot, or ``"."``."""

    priority: int
    weight: int
    port: int
    target: str


class NaptrRecord(NamedTuple):
    """One NAPTR record; ``replacement`` is an SRV name, lower case, no final dot."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Service(NamedTuple):
    """An SRV name to ask for, and the transport that its targets speak."""

    transport: Transport
    name: str


class Offer(NamedTuple):
    """What one service (or the bare host, as a record of its own) offers."""

    transport: Transport
    records: tuple[SrvRecord, ...]


def numeric_resolution(
    lookup: Lookup, transports: Collection[Transport]
) -> Resolution | None:
    """The Resolution of a numeric host, which needs no DNS; None for a name.

    Without an explicit transport it is UDP for ``sip`` (TCP where we have no UDP)
    and TLS for ``sips`` (RFC 3263 section 4.1).  It never expires.
    """
    # This is called for every request, so names are told apart without parsing.
    host = lookup.host
    if ":" not in host and not host[-1:].isdigit():
        return None
    return _numeric(lookup, frozenset(transports))


@lru_cache(maxsize=1024)
def _numeric(lookup: Lookup, transports: frozenset[Transport]) -> Resolution | None:
    host = lookup.host.strip("[]")
    if not is_numeric(host):
        return None
    transport = next(iter(wanted(lookup, transports)), None)
    if lookup.transport is None and not lookup.sips:
        transport = next((t for t in ("udp", "tcp") if t in transports), None)
    if transport is None:
        return _failure(lookup, "address", _no_transport(lookup), 0.0)
    port = lookup.port or DEFAULT_PORT[transport]
    front_end = FrontEnd(transport, host, port, host, host)
    return Resolution(lookup, {transport: ((front_end,),)}, expires=float("inf"))


def is_numeric(host: str) -> bool:
    """True for an IPv4 or IPv6 address (without brackets)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def wanted(lookup: Lookup, transports: Collection[Transport]) -> tuple[Transport, ...]:
    """The transports this look-up may end in, of those we can send from."""
    if lookup.sips:
        allowed: tuple[Transport, ...] = ("tls",)
    elif lookup.transport is not None:
        allowed = (lookup.transport,)
    else:
        allowed = TRANSPORTS
    return tuple(transport for transport in allowed if transport in transports)


def asks_naptr(lookup: Lookup) -> bool:
    """Whether to ask for NAPTR: it chooses a transport, so only where none is fixed."""
    return lookup.port is None and lookup.transport is None


def services(lookup: Lookup, transports: Collection[Transport]) -> tuple[Service, ...]:
    """The SRV names to ask for; none when the port is fixed (section 4.2)."""
    if lookup.port is not None:
        return ()
    return tuple(
        Service(transport, f"{label}.{lookup.host}")
        for transport in wanted(lookup, transports)
        for label in SERVICE_LABELS[transport]
    )


def naptr_services(
    lookup: Lookup,
    records: Iterable[NaptrRecord],
    transports: Collection[Transport],
    bounds: Bounds = OF_POOLS,
) -> tuple[Service, ...]:
    """The SRV names that NAPTR points at, best first; transports we lack dropped."""
    allowed = wanted(lookup, transports)
    found = []
    for record in sorted(records):
        transport = NAPTR_SERVICES.get(record.service.lower())
        if transport in allowed and record.flags.lower() == "s" and record.replacement:
            found.append(Service(transport, record.replacement))
    return tuple(dict.fromkeys(found))[: bounds.services]


def transport_order(found: Iterable[Service]) -> tuple[Transport, ...]:
    """The transports of these services, each once, in their order."""
    return tuple(dict.fromkeys(service.transport for service in found))


def srv_offers(
    asked: Iterable[Service], answers: Mapping[str, Sequence[SrvRecord]]
) -> list[Offer]:
    """The services that have records; ``answers`` maps an SRV name to its records."""
    return [
        Offer(service.transport, tuple(answers[service.name]))
        for service in asked
        if answers.get(service.name)
    ]


def host_offers(lookup: Lookup, transports: Collection[Transport]) -> list[Offer]:
    """The bare host on its fixed or default port, for every possible transport."""
    return [
        Offer(
            transport,
            (SrvRecord(0, 0, lookup.port or DEFAULT_PORT[transport], lookup.host),),
        )
        for transport in wanted(lookup, transports)
    ]


def targets(offers: Iterable[Offer], bounds: Bounds = OF_POOLS) -> tuple[str, ...]:
    """The host names whose addresses are needed, first choices first."""
    records = sorted(record for offer in offers for record in offer.records)
    names = dict.fromkeys(r.target for r in records if not flaw(r))
    return tuple(names)[: bounds.targets]


def flaw(record: SrvRecord) -> str:
    """Why this record leads to no server, in a few words; empty when all is well.

    ``"."`` says that the service is not offered (RFC 2782).
    """
    if record.target == ".":
        return "the target '.', which means that the service is not offered"
    if record.port == 0:
        return f"port 0 for {record.target}, which no server can use"
    if is_numeric(record.target):
        return (
            f"the address {record.target} as its target, where RFC 2782 wants the name "
            "of an address record"
        )
    return ""


def build(
    lookup: Lookup,
    offers: Sequence[Offer],
    addresses: Mapping[str, Sequence[str]],
    *,
    now: float,
    expires: float,
    naptr_order: tuple[Transport, ...] = (),
    bounds: Bounds = OF_POOLS,
) -> Resolution:
    """All targets × all addresses as a Resolution.

    ``addresses`` maps a target to its numeric addresses.  A target without any is
    lame and skipped, and so is a record with a ``flaw``.  The result is the same for
    the same answers in any order.
    """
    groups: dict[Transport, tuple[tuple[FrontEnd, ...], ...]] = {}
    for transport in dict.fromkeys(offer.transport for offer in offers):
        records = {
            (r.target, r.port): r
            for offer in reversed(offers)
            if offer.transport == transport
            for r in sorted(offer.records, reverse=True)
            if not flaw(r)
        }
        found = _groups(transport, lookup.host, records.values(), addresses, bounds)
        if found:
            groups[transport] = found
    if not groups:
        return _nothing(lookup, offers, now=now, expires=expires)
    return Resolution(
        lookup,
        groups,
        expires=expires,
        resolved_at=now,
        naptr_order=tuple(t for t in naptr_order if t in groups),
    )


def failure(
    lookup: Lookup, error: ResolutionError, reason: str, *, now: float, expires: float
) -> Resolution:
    """A Resolution that says why there is none."""
    return Resolution(
        lookup, {}, expires=expires, resolved_at=now, error=error, reason=reason
    )


def no_transport(lookup: Lookup, *, now: float) -> Resolution:
    """The failure of a look-up that asks for a transport we do not listen on."""
    return _failure(lookup, "srv", _no_transport(lookup), now)


def by_preference(addresses: Iterable[str]) -> list[str]:
    """Sort addresses as RFC 6724 prefers destinations (RFC 7984 section 4)."""
    return sorted(set(addresses), key=lambda host: (precedence(host), host))


def precedence(host: str) -> int:
    """RFC 6724's policy table for unicast, lowest first: IPv6, IPv4, unique local."""
    if ":" not in host:
        return 1
    return 2 if ipaddress.ip_address(host) in _UNIQUE_LOCAL else 0


def _groups(
    transport: Transport,
    pool: str,
    records: Iterable[SrvRecord],
    addresses: Mapping[str, Sequence[str]],
    bounds: Bounds,
) -> tuple[tuple[FrontEnd, ...], ...]:
    """The front ends of one transport, one tuple per priority, each address once."""
    by_priority: dict[int, list[FrontEnd]] = {}
    seen: set[tuple[str, str, int]] = set()
    for record in sorted(records):
        hosts = by_preference(addresses.get(record.target, ()))
        for host in hosts[: bounds.addresses]:
            if len(seen) >= bounds.front_ends:
                break
            front_end = FrontEnd(
                transport,
                host,
                record.port,
                record.target,
                pool,
                record.priority,
                record.weight,
            )
            if front_end.key not in seen:
                seen.add(front_end.key)
                by_priority.setdefault(record.priority, []).append(front_end)
    return tuple(tuple(group) for group in by_priority.values())


def _nothing(
    lookup: Lookup, offers: Sequence[Offer], *, now: float, expires: float
) -> Resolution:
    """Why these offers hold no front end."""
    names = targets(offers)
    flaws = [flaw(record) for offer in offers for record in offer.records]
    error: ResolutionError = "address"
    if not names:
        error = "srv"
        told = ", ".join(dict.fromkeys(each for each in flaws if each))
        reason = f"no SRV record of {lookup.host} can be used: {told}"
        if all(record.target == "." for offer in offers for record in offer.records):
            reason = (
                f"{lookup.host} says that it offers no SIP service (SRV target '.')"
            )
    elif names == (lookup.host,):
        error = "srv" if lookup.port is None else "address"
        kind = "neither SRV nor address" if lookup.port is None else "no address"
        reason = f"{lookup.host} has {kind} records"
        if "." not in lookup.host:
            reason += "; a name without a dot is asked for as it stands, for the search"
            reason += " domains of this machine are not applied: write the full name"
    else:
        reason = f"no SRV target of {lookup.host} has an address: {', '.join(names)}"
        reason += "".join(f"; one has {each}" for each in dict.fromkeys(flaws) if each)
    return failure(lookup, error, reason, now=now, expires=expires)


def _failure(
    lookup: Lookup, error: ResolutionError, reason: str, now: float
) -> Resolution:
    return failure(lookup, error, reason, now=now, expires=float("inf"))


def _no_transport(lookup: Lookup) -> str:
    name = "tls" if lookup.sips else lookup.transport or "SIP"
    return f"no {name} listener to reach {lookup.host} from"
