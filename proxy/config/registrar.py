"""The section ``[registrar]``: who may register here, and for how long."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from proxy.config.section import Section, section, setting
from proxy.config.values import networks
from proxy.sip.digest import ALGORITHMS, is_available


def _realm(value: str) -> str:
    if not value.isascii() or not value.isprintable() or '"' in value:
        raise ValueError(
            f'"{value}" cannot be a realm: write plain text such as "contoso.test"'
        )
    return value


def _algorithms(value: list[str]) -> list[str]:
    names = list(dict.fromkeys(item.upper() for item in value))
    for name in names:
        if name not in ALGORITHMS:
            raise ValueError(
                f'"{name}" is not known: write some of {", ".join(ALGORITHMS)}'
            )
        if not is_available(name):
            raise ValueError(f'this system cannot do "{name}": leave it out')
    if not names:
        raise ValueError('write at least one: algorithms = ["SHA-256"]')
    return names


@section
class RegistrarSection(Section):
    """Off unless switched on; then only the networks, users and certificates of the
    registrar may register."""

    enabled: bool = False
    trusted_networks: list[str] = setting(
        default=[], example=["10.1.0.0/16"], check=networks
    )
    realm: str = setting(default="", example="contoso.test", check=_realm)
    algorithms: list[str] = setting(default=["SHA-256"], check=_algorithms)
    min_expires: int = setting(default=60, ge=1, le=86_400)
    default_expires: int = setting(default=3600, ge=1, le=86_400)
    max_expires: int = setting(default=7200, ge=1, le=604_800)
    max_contacts: int = setting(default=10, ge=1, le=100)

    def __post_init__(self) -> None:
        if not self.min_expires <= self.default_expires <= self.max_expires:
            raise ValueError(
                "min_expires, default_expires and max_expires must not decrease: "
                "write 60, 3600 and 7200"
            )

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted networks as values."""
        return tuple(map(ip_network, self.trusted_networks))
