"""Values inside the configuration: host names, addresses with ports, next hops.

Each reader raises ValueError with a sentence that says what to write.
"""

import re
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from proxy.sip.errors import SipError
from proxy.sip.host import host_port
from proxy.sip.uri import SipUri, parse_uri

_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?)"
    r"(?:\.[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?)*\Z"
)


class HostPort(NamedTuple):
    """A numeric address (IPv6 without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return host_port(self.host, self.port)


def parse_host_port(text: str, default_port: int | None = None) -> HostPort:
    """Read ``1.2.3.4:5060`` or ``[::1]:5060``; ValueError says what to write."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port_text = rest.removeprefix(":") if bracket else "?"
    elif text.count(":") > 1:
        host, port_text = text, ""
        if default_port is None:
            raise ValueError(f'an IPv6 address goes in brackets: write "[{text}]:5060"')
    else:
        host, _, port_text = text.partition(":")
    try:
        host = str(ip_address(host))
    except ValueError:
        raise ValueError(
            f'"{host}" is not an IP address: write one such as "127.0.0.5:5060" '
            'or "[::1]:5060"'
        ) from None
    if not port_text and default_port is not None:
        return HostPort(host, default_port)
    if not port_text.isdecimal() or not 0 < int(port_text) < 65_536:
        raise ValueError(
            f'"{text}" needs a port between 1 and 65535: write '
            f'"{HostPort(host, default_port or 5060)}"'
        )
    return HostPort(host, int(port_text))


def host_name(value: str, example: str) -> str:
    """A host name in lower case, without final dot."""
    name = value.lower().rstrip(".")
    if not _HOST_NAME.match(name):
        raise ValueError(f'"{value}" is not a host name: write one such as "{example}"')
    return name


def parse_route(text: str) -> SipUri:
    """Read a next hop; ValueError says what to write."""
    example = 'write "sip:fe.contoso.test:5060;transport=tcp"'
    try:
        uri = parse_uri(text.encode())
    except SipError as error:
        raise ValueError(f'"{text}" is not a SIP URI ({error}): {example}') from None
    if uri.scheme != "sip":
        raise ValueError(
            f'"{text}" is a {uri.scheme}: URI; a next hop over TLS is '
            f'"sip:{uri.host};transport=tls"'
        )
    if uri.user is not None or uri.headers:
        raise ValueError(f'"{text}" names more than a next hop: {example}')
    if uri.transport not in (None, "udp", "tcp", "tls"):
        raise ValueError(
            f'transport "{uri.transport}" is not udp, tcp or tls: {example}'
        )
    return uri


def networks(texts: list[str]) -> list[str]:
    """The same list when every item is a network in CIDR form."""
    for text in texts:
        try:
            ip_network(text)
        except ValueError as error:
            raise ValueError(f'{error}: write networks such as "10.1.0.0/16"') from None
    return texts


def toml_value(value: Any) -> str:
    """A value as TOML spells it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
