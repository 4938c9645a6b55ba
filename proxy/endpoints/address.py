"""What an administrator writes about an endpoint, checked and put into one form.

Addresses, FQDNs, Request-URI policies and service-URI patterns.  Every refusal is one
sentence that says what to do.  Nothing here reads the table.
"""

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final, Literal

from proxy.sip.errors import SipError
from proxy.sip.pasted import pasted_note
from proxy.sip.uri import SipUri, parse_uri

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\Z")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_HOST_PORT: Final = re.compile(r"[^:@/]+:\d+\Z")
_PATTERN: Final = frozenset("*?[]")
REQUEST_URI_WORDS: Final = ("pool-host", "keep")


RefusalKind = Literal["refused", "missing", "conflict", "forbidden", "outdated"]
"""The kind of refusal: the request is wrong, the row is not there, another row is in
the way, the caller may not do it, or the row has changed meanwhile."""


class Refused(ValueError):
    """A change that must not be made; the text says what to do instead."""

    def __init__(self, text: str, kind: RefusalKind = "refused") -> None:
        super().__init__(text)
        self.kind: RefusalKind = kind


def normalise_address(text: str, domains: Collection[str] = ()) -> tuple[str, str]:
    """The SIP address with ``sip:``, and its key ``user@host`` in lower case.

    With ``domains`` the host must be one of them.  Raises Refused.
    """
    written = text.strip()
    scheme = _SCHEME.match(written)
    if scheme is None:
        written = f"sip:{written}"
    elif scheme[1].lower() == "sip":
        written = f"sip:{written[4:]}"
    else:
        raise Refused(_scheme_refusal(text, scheme[1].lower()))
    uri = _plain_uri(text, written)
    if domains and uri.host not in domains:
        served = ", ".join(sorted(domains))
        raise Refused(
            f'"{uri.host}" is not a domain we answer for ({served}): use one of these, '
            'or add it to "domains" in section [proxy] of the configuration'
        )
    return written, uri.key


def endpoint_address(text: str, domains: Collection[str] = ()) -> tuple[str, str]:
    """``normalise_address`` of an endpoint that shall be made: one address, no pattern.

    Looking an endpoint up does not come here: a store may hold an address with such a
    letter, and it must still be possible to show and remove it.
    """
    user = text.rpartition("@")[0]
    letter = next((each for each in user if each in _PATTERN), None)
    if letter is not None:
        raise Refused(
            f'in "{text}" the "{letter}" would match itself and nothing else: an '
            "endpoint is one address, and ranges of addresses do not exist yet. Make "
            'one for each address; "waypost endpoint import FILE" takes them from a '
            "list"
        )
    return normalise_address(text, domains)


def _scheme_refusal(text: str, scheme: str) -> str:
    if scheme == "sips":
        return (
            f'"{text}" is a sips: address; legacy clients dial sip:, so write '
            f'"sip:{text.strip()[5:]}" (TLS towards the pool is '
            '"waypost pool set FQDN --transport tls")'
        )
    if scheme == "tel":
        return (
            f'"{text}" is a telephone number; an endpoint is a SIP address: write '
            '"sip:user@domain"'
        )
    return f'"{text}" is a {scheme}: address: write a SIP address, "sip:user@domain"'


def _plain_uri(text: str, written: str) -> SipUri:
    """Parse ``sip:user@host`` that has nothing else on it."""
    example = 'write "sip:user@domain", for example "sip:ocschat@contoso.com"'
    if not written.isascii():
        raise Refused(f'"{text}" {not_ascii(text, example)}')
    if "@" not in written:
        raise Refused(f'"{text}" has no "@": {example}')
    try:
        uri = parse_uri(written.encode())
    except SipError:
        raise Refused(f'"{text}" is not a SIP address: {example}') from None
    if not uri.user:
        raise Refused(f'"{text}" has no user before the "@": {example}')
    _check_host(text, uri.host)
    if uri.port is not None or uri.parameters or uri.headers:
        raise Refused(
            f'"{text}" carries a port, parameter or header; an endpoint is known by '
            f'user and host alone: write "sip:{uri.user}@{uri.host}"'
        )
    if written[4:].lower() != uri.key:
        raise Refused(
            f'"{text}" has a password, an escaped letter or a final dot: write it '
            f'plainly, "sip:{uri.user}@{uri.host}"'
        )
    return uri


def _check_host(text: str, host: str) -> None:
    if is_ip(host):
        raise Refused(
            f'"{text}" ends in an IP address; clients dial a domain: write '
            '"sip:user@domain"'
        )
    if not all(_LABEL.match(label) for label in host.split(".")):
        raise Refused(
            f'"{host}" in "{text}" is not a domain name: use letters, digits and '
            'hyphens, as in "contoso.com"'
        )


def not_ascii(text: str, advice: str) -> str:
    """Why a text with other letters cannot be, and what to do about it."""
    note = pasted_note(text)
    return f"cannot be: {note}" if note else f"has letters outside ASCII: {advice}"


def is_ip(host: str) -> bool:
    """Whether this is a numeric address, with or without brackets."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def normalise_fqdn(text: str) -> str:
    """A pool's FQDN in lower case without final dot; raises Refused."""
    example = 'write the pool\'s full name, for example "pcpool.contoso.com"'
    name = text.strip().lower().rstrip(".")
    if not name:
        raise Refused(f"the pool FQDN is empty: {example}")
    if (_SCHEME.match(name) or "@" in name or "/" in name) and not _HOST_PORT.match(
        name
    ):
        raise Refused(f'"{text}" is an address, not a host name: {example}')
    host, colon, port = name.partition(":")
    if colon and port.isdecimal():
        raise Refused(
            f'"{text}" carries a port: write "{host}", then '
            f'"waypost pool set {host} --port {port}"'
        )
    if is_ip(name):
        raise Refused(
            f'"{text}" is an IP address; certificates and SRV records need a name: '
            f"{example}"
        )
    if not name.isascii():
        raise Refused(f'"{text}" {not_ascii(text, "write its xn-- form")}')
    labels = name.split(".")
    if len(labels) < 2:
        raise Refused(f'"{text}" is a short name: {example}')
    bad = next((label for label in labels if not _LABEL.match(label)), None)
    if bad is not None or len(name) > 253 or labels[-1].isdecimal():
        part = f' ("{bad}" cannot stand in a host name)' if bad is not None else ""
        raise Refused(f'"{text}" is not an FQDN{part}: {example}')
    return name


def normalise_request_uri(text: str) -> str:
    """The Request-URI policy: ``pool-host``, ``keep`` or a SIP URI; raises Refused."""
    written = text.strip()
    if written.lower() in REQUEST_URI_WORDS:
        return written.lower()
    choices = 'write "pool-host", "keep" or a URI such as "sip:chat@pcpool.contoso.com"'
    try:
        uri = parse_uri(written.encode())
    except SipError:
        raise Refused(f'the Request-URI "{text}" is not known: {choices}') from None
    if uri.scheme != "sip":
        raise Refused(f'the Request-URI "{text}" must be sip:, not sips:: {choices}')
    if uri.headers:
        raise Refused(
            f'the Request-URI "{text}" has headers after "?", which a Request-URI '
            f"cannot carry: {choices}"
        )
    return written


def normalise_service_uri(text: str, domains: Collection[str] = ()) -> str:
    """A pattern such as ``sip:GC-*@contoso.com``; ``*`` in the user part only.

    The host must be one of ``domains`` (when given): other hosts are never looked up
    by pattern.  Raises Refused.
    """
    example = 'write for example "sip:GC-*@contoso.com"'
    written = text.strip()
    if not _SCHEME.match(written):
        written = f"sip:{written}"
    user, at, host = written[4:].rpartition("@")
    if not written.lower().startswith("sip:") or not at or not user:
        raise Refused(f'the service URI "{text}" is not sip:user@domain: {example}')
    if "[" in user or "?" in user or "*" in host:
        raise Refused(
            f'in the service URI "{text}" only "*" is special, and only before the '
            f'"@": {example}'
        )
    if not user.strip("*"):
        raise Refused(
            f'the service URI "{text}" would catch every address of {host}: {example}'
        )
    address, _ = normalise_address(f"sip:{user.replace('*', 'x')}@{host}", domains)
    return f"sip:{user}@{address.rpartition('@')[2].lower()}"


def normalise_display_name(text: str) -> str:
    """A display name on one line, at most 256 characters; raises Refused."""
    name = text.strip()
    if len(name) > 256 or not name.isprintable():
        raise Refused("the display name must be one line of at most 256 characters")
    return name
