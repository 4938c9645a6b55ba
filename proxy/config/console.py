"""``[console]``: where the console listens, and whom it believes."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from proxy.config.section import Section, section, setting
from proxy.config.values import HostPort, networks, parse_host_port

DEFAULT_LISTEN: Final = "127.0.0.1:8443"


def _listen(value: str) -> str:
    return str(parse_host_port(value))


def _origins(value: list[str]) -> list[str]:
    return [_origin(each) for each in value]


def _origin(value: str) -> str:
    parts = urlsplit(value.strip().lower())
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path:
        raise ValueError(
            f'"{value}" is not what a browser shows before the path: write '
            '"https://proxy.contoso.com:8443"'
        )
    return f"{parts.scheme}://{parts.netloc}"


@section
class ConsoleSection(Section):
    """The console: certificate and key are those of ``[tls]`` unless named here.

    ``origins`` are the addresses that people and commands use.  ``behind`` are reverse
    proxies, whose word is taken for the address of a caller and, with ``user_header``,
    for the person.
    """

    listen: str = setting(default=DEFAULT_LISTEN, check=_listen)
    certificate: str | None = setting(default=None, example="/etc/waypost/console.pem")
    key: str | None = setting(default=None, example="/etc/waypost/console.key")
    origins: list[str] = setting(
        default=[], example=["https://proxy.contoso.com:8443"], check=_origins
    )
    behind: list[str] = setting(default=[], example=["10.1.2.3/32"], check=networks)
    user_header: str = setting(default="", example="X-Remote-User")

    def __post_init__(self) -> None:
        if self.user_header and not self.behind:
            raise ValueError(
                "user_header is believed from reverse proxies alone: name them, "
                'behind = ["10.1.2.3/32"]'
            )

    @property
    def address(self) -> HostPort:
        """Where to listen."""
        return parse_host_port(self.listen)

    @property
    def is_loopback(self) -> bool:
        """Nobody but this machine reaches it."""
        return ip_address(self.address.host).is_loopback
