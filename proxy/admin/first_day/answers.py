"""What ``waypost init`` has to know, checked answer by answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from proxy.config.values import HostPort, host_name, parse_host_port
from proxy.endpoints.address import (
    Refused,
    endpoint_address,
    is_ip,
    normalise_fqdn,
    not_ascii,
)

EVERYWHERE: Final = "0.0.0.0:5060"


@dataclass(frozen=True, slots=True)
class Answers:
    """All of them, in one form.  ``advertised_host`` is None for a listener's own."""

    domains: tuple[str, ...]
    pool_fqdn: str
    sip_address: str
    listen: HostPort
    advertised_host: str | None


def domain(text: str) -> str:
    """A SIP domain; raises Refused."""
    written = text.strip().removeprefix("@").rstrip(".")
    if "@" in written:
        after = written.rpartition("@")[2] or "contoso.com"
        raise Refused(
            f'"{text}" is an address: write the domain alone, the part after the @, '
            f"such as {after}"
        )
    if not written.isascii():
        raise Refused(f'"{text}" {not_ascii(written, "write its xn-- form")}')
    if is_ip(written):
        raise Refused(
            f'"{text}" is an IP address: write the domain of your SIP addresses, such '
            "as contoso.com (--listen says where we answer)"
        )
    name = _name(written, "contoso.com")
    if "." not in name:
        raise Refused(
            f'"{text}" is no full domain: write the part after the @ of a SIP address, '
            "such as contoso.com"
        )
    return name


def pool(text: str) -> str:
    """A pool's FQDN; raises Refused."""
    return normalise_fqdn(text.strip())


def address(text: str, domains: Sequence[str] = ()) -> str:
    """The address that clients dial, in one of the domains if any; raises Refused."""
    try:
        parse_host_port(text.strip(), 5060)
    except ValueError:
        pass
    else:
        raise Refused(
            f'"{text}" is an address of this machine: write the one that clients dial, '
            "such as sip:ocschat@contoso.com (--listen says where we answer)"
        )
    written, key = endpoint_address(text)
    host = key.partition("@")[2]
    if domains and host not in domains:
        served = ", ".join(domains)
        raise Refused(
            f'"{text}" is not in {served}: write an address of that domain, or name '
            f"its own as well (--domain {host})"
        )
    return written


def domain_of(sip_address: str) -> str:
    """The domain of an address that was checked."""
    return endpoint_address(sip_address)[1].partition("@")[2]


def listen(text: str) -> HostPort:
    """Where we answer; raises Refused."""
    try:
        return parse_host_port(text.strip(), 5060)
    except ValueError as error:
        raise Refused(str(error)) from None


def advertised(text: str) -> str:
    """The name by which others reach this machine; raises Refused."""
    if not text.isascii():
        raise Refused(f'"{text}" {not_ascii(text, "write its xn-- form")}')
    return _name(text.strip(), "proxy.contoso.com")


def _name(text: str, example: str) -> str:
    try:
        return host_name(text, example)
    except ValueError as error:
        raise Refused(str(error)) from None
