"""The configuration: what an administrator may write, checked as a whole.

One class per section of the TOML file, and one line in ``Config``.  Reading the file
and wording its errors is ``file.py`` and ``validation.py``; what can only be known with
the machine at hand is ``proxy/admin/preflight.py``.  Durations are in seconds.
"""

import re
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from proxy.config.chat_probe import ChatProbeSection
from proxy.config.console import ConsoleSection
from proxy.config.pool import PoolSection, failover_statuses
from proxy.config.recorder import RecorderSection
from proxy.config.redis_url import SCHEMES, check_redis_url
from proxy.config.registrar import RegistrarSection
from proxy.config.secrets import mask
from proxy.config.section import Section, aside, section, setting
from proxy.config.service import AdminSection, HealthSection, ServerSection
from proxy.config.tls import TlsDefaults, TlsPaths, TlsSection
from proxy.config.values import (
    HostPort,
    host_name,
    networks,
    parse_host_port,
    parse_route,
)
from proxy.sip.flow import Transport
from proxy.sip.host import bracketed, canonical_host
from proxy.sip.limits import MessageLimits
from proxy.sip.uri import SipUri

_seconds = partial(setting, gt=0, le=86_400)
_bytes = partial(setting, ge=256, le=16 * 1024 * 1024)
_count = partial(setting, ge=1, le=10_000_000)


def _advertised_host(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        address = ip_address(value.strip("[]"))
    except ValueError:
        return host_name(value, "proxy.contoso.test")
    return bracketed(str(address))


def _domains(value: list[str]) -> list[str]:
    return list(dict.fromkeys(host_name(name, "contoso.test") for name in value))


@section
class ProxySection(Section):
    """Who we are."""

    advertised_host: str | None = setting(
        default=None, example="proxy.contoso.test", check=_advertised_host
    )
    key_file: str = setting(default="", example="/etc/waypost/route.key")
    domains: list[str] = setting(min_length=1, example=["contoso.test"], check=_domains)
    trusted_networks: list[str] = setting(
        default=[], example=["10.1.0.0/16"], check=networks
    )


def _peers(value: list[str]) -> list[str]:
    example = "fepool.contoso.test"
    return [
        "*." * name.startswith("*.") + host_name(name.removeprefix("*."), example)
        for name in value
    ]


def _address(value: str) -> str:
    return str(parse_host_port(value))


@section
class ListenSection(TlsSection):
    """One address that we answer on; TLS files default to those of ``[tls]``."""

    transport: Transport = setting(example="udp")
    address: str = setting(example="127.0.0.5:5060", check=_address)
    verify_client: Literal["none", "optional", "required"] = "none"
    trusted_peers: list[str] = setting(
        default=[], example=["fepool.contoso.test"], check=_peers
    )
    first_hop: bool = False

    @property
    def host(self) -> str:
        """The numeric address, IPv6 without brackets."""
        return parse_host_port(self.address).host

    @property
    def port(self) -> int:
        """The port."""
        return parse_host_port(self.address).port


def _store_url(value: str) -> str:
    if value.startswith("sqlite:"):
        if not re.match(r"sqlite:///[^?#]+\Z", value):
            raise ValueError(
                "an sqlite URL is sqlite:/// and a file name: write "
                '"sqlite:////var/lib/waypost/waypost.db" (four slashes: absolute) '
                'or "sqlite:///waypost.db" (three: relative to this file)'
            )
        return value
    scheme = value.partition(":")[0]
    if scheme in SCHEMES:
        return check_redis_url(value)
    raise ValueError(
        f'the store "{scheme}" is not known: write '
        '"sqlite:////var/lib/waypost/waypost.db", '
        '"redis://user:password@host:6379/0", "redis+sentinel://..." or '
        '"redis+cluster://..."'
    )


@section
class StoreSection(Section):
    """Where the endpoint table lives."""

    url: str = setting(
        default="sqlite:////var/lib/waypost/waypost.db", check=_store_url
    )


def _nameservers(value: list[str]) -> list[str]:
    return [str(parse_host_port(item, 53)) for item in value]


@section
class DnsSection(Section):
    """The name servers that we ask; empty is the system's resolver."""

    nameservers: list[str] = setting(
        default=[], example=["127.0.0.1:5353"], check=_nameservers
    )

    @property
    def addresses(self) -> list[HostPort]:
        """The name servers as values."""
        return [parse_host_port(item) for item in self.nameservers]


def _route(value: str | None) -> str | None:
    if value is not None:
        parse_route(value)
    return value


@section
class RoutesSection(Section):
    """Where requests go that are not for an endpoint."""

    default: str | None = setting(
        default=None, example="sip:fe.contoso.test:5060;transport=tcp", check=_route
    )

    @property
    def default_uri(self) -> SipUri | None:
        """The default next hop, parsed."""
        return None if self.default is None else parse_route(self.default)


@section
class AttemptsSection(Section):
    """The one budget of a request, and what makes us try the next front end."""

    connect: float = _seconds(default=2.0)
    silence: float = _seconds(default=2.0)
    first_answer: float = _seconds(default=4.0)
    total: float = _seconds(default=12.0)
    failover_codes: list[int] = setting(default=[503], check=failover_statuses)

    def __post_init__(self) -> None:
        longest = max(self.connect, self.first_answer)
        if self.total < longest:
            raise ValueError(
                f"total = {self.total} is shorter than one attempt: "
                f"write total = {3 * longest}"
            )


@section
class LogSection(Section):
    """``auto`` is console on a terminal and JSON elsewhere."""

    format: Literal["auto", "json", "console"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"
    access: bool = True


def _memory(value: int) -> int:
    if value and not 64 * 1024 * 1024 <= value <= 1 << 40:
        raise ValueError(
            "write 0 for what the unit or the container allows, or bytes, at least "
            "67108864 (64 MiB)"
        )
    return value


@section
class LimitsSection(Section):
    """What a stranger can make us hold."""

    datagram: int = _bytes(default=65_535)
    header_block: int = _bytes(default=16 * 1024)
    header_lines: int = _count(default=128)
    header_line: int = _bytes(default=8 * 1024)
    body: int = setting(default=64 * 1024, ge=0, le=16 * 1024 * 1024)
    uri: int = _bytes(default=1024)
    via_hops: int = _count(default=70)
    route_entries: int = _count(default=40)
    connections: int = _count(default=4096)
    connections_per_source: int = _count(default=128)
    connections_per_network: int = _count(default=1024)
    first_byte: float = _seconds(default=5.0)
    message: float = _seconds(default=10.0)
    idle: float = _seconds(default=120.0)
    idle_established: float = _seconds(default=3600.0)
    write_queue: int = _bytes(default=256 * 1024)
    handshake: float = _seconds(default=5.0)
    handshakes: int = _count(default=256)
    handshakes_per_source: int = _count(default=64)
    transactions: int = setting(default=0, ge=0, le=10_000_000)
    memory: int = setting(default=0, check=_memory)
    trusted_networks: list[str] = setting(
        default=["127.0.0.0/8", "::1/128"], example=["10.1.0.0/16"], check=networks
    )

    def message_limits(self) -> MessageLimits:
        """The part that ``proxy/sip`` applies to one message."""
        names = MessageLimits.__dataclass_fields__
        return MessageLimits(**{name: getattr(self, name) for name in names})


@section
class LearnedSection(Section):
    """Service URIs that pools hand out."""

    ttl_days: float = setting(default=30.0, gt=0, le=3650)

    @property
    def ttl(self) -> float:
        """Seconds without use after which a learned URI is forgotten."""
        return self.ttl_days * 86_400


@section
class UsageSection(Section):
    """The usage ledger: who still dials an endpoint."""

    ledger: bool = True
    keep_days: int = setting(default=400, ge=1, le=3650)


@section
class Config(Section):
    """The whole file, valid.  ``path`` is where it came from."""

    proxy: ProxySection
    listen: list[ListenSection] = setting(min_length=1)
    store: StoreSection = StoreSection()
    dns: DnsSection = DnsSection()
    routes: RoutesSection = RoutesSection()
    attempts: AttemptsSection = AttemptsSection()
    health: HealthSection = HealthSection()
    chat_probe: ChatProbeSection = ChatProbeSection()
    log: LogSection = LogSection()
    limits: LimitsSection = LimitsSection()
    learned: LearnedSection = LearnedSection()
    usage: UsageSection = UsageSection()
    recorder: RecorderSection = RecorderSection()
    registrar: RegistrarSection = RegistrarSection()
    tls: TlsDefaults = TlsDefaults()
    pool: list[PoolSection] = setting(default=[])
    admin: AdminSection = AdminSection()
    server: ServerSection = ServerSection()
    console: ConsoleSection = ConsoleSection()
    path: Path = aside(default=Path("waypost.toml"))

    @property
    def advertised_host(self) -> str | None:
        """The host of our Via and Record-Route; None is each listener's own."""
        return self.proxy.advertised_host

    @property
    def domains(self) -> frozenset[str]:
        """The SIP domains we answer for, lower case."""
        return frozenset(self.proxy.domains)

    @property
    def realm(self) -> str:
        """The realm of digest challenges: as written, else the first served domain."""
        return self.registrar.realm or self.proxy.domains[0]

    @property
    def store_url(self) -> str:
        """The store's URL with a relative file made absolute."""
        name = self.store.url.removeprefix("sqlite:///")
        if name == self.store.url or name.startswith("/"):
            return self.store.url
        return f"sqlite:///{(self.path.absolute().parent / name).resolve()}"

    def file(self, name: str | None) -> Path | None:
        """A file named in the configuration; relative is to the configuration."""
        return None if name is None else self.path.absolute().parent / name

    def tls_files(self, section: TlsSection | None = None) -> "TlsPaths":
        """The TLS files of a listener or a pool, or those of ``[tls]``."""
        own = section or self.tls
        return TlsPaths(
            certificate=self.file(own.certificate or self.tls.certificate),
            key=self.file(own.key or self.tls.key),
            ca=self.file(own.ca or self.tls.ca),
        )

    def console_files(self) -> "TlsPaths":
        """The certificate and key of the console: its own, or those of ``[tls]``.

        On a loopback address it has none but its own.
        """
        own = self.console
        if own.certificate is None and own.is_loopback:
            return TlsPaths(None, None, None)
        return TlsPaths(
            certificate=self.file(own.certificate or self.tls.certificate),
            key=self.file(own.key or (None if own.certificate else self.tls.key)),
            ca=None,
        )

    @property
    def node_uri(self) -> str:
        """Where the other nodes reach this one; empty when there are no nodes.

        As written; else, on a store that machines can share, the first listener that
        has an address of its own, a stream before UDP.
        """
        if self.server.node_address:
            return self.server.node_address
        if not self.store.url.startswith("redis"):
            return ""
        own = [x for x in self.listen if not ip_address(x.host).is_unspecified]
        own.sort(key=lambda x: ("tcp", "tls", "udp").index(x.transport))
        if not own:
            return ""
        return f"sip:{own[0].address};transport={own[0].transport}"

    @property
    def admin_token_file(self) -> Path:
        """Where the admin token is kept; without a name: beside the database."""
        named = self.file(self.admin.token_file or None)
        if named is not None:
            return named
        url = self.store_url
        database = Path(url.removeprefix("sqlite:///"))
        folder = database.parent if url.startswith("sqlite:") else Path("/run/waypost")
        return folder / "admin.token"

    def effective(self) -> dict[str, Any]:
        """Every value in force, without secrets, as plain JSON types."""
        values = self.as_table()
        values["admin"]["token"] = "***" if self.admin.token else ""
        values["store"]["url"] = mask(self.store_url)
        return values

    def own_addresses(self) -> set[tuple[str, int]]:
        """Host and port pairs that lead back to us."""
        own = {(listen.host, listen.port) for listen in self.listen}
        if self.advertised_host:
            host = canonical_host(self.advertised_host)
            own |= {(host, listen.port) for listen in self.listen}
        return own
