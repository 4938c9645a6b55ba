"""SIP URIs (RFC 3261 section 19.1): read once, compared by key, never rebuilt.

A URI that we forward leaves byte for byte as it came; a ``SipUri`` only tells what is
in it.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.sip.cache import keep
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import DEFAULT_PORT
from proxy.sip.grammar import AT, PERCENT, parse_parameters
from proxy.sip.host import canonical_host

_SCHEME: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*):")
_HOST: Final = re.compile(
    rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9\-._]*[A-Za-z0-9_])?\.?)(?::([0-9]{1,10}))?\Z"
)
# user = unreserved / escaped / user-unreserved; the password may follow a colon.
_USER: Final = re.compile(rb"[A-Za-z0-9\-_.!~*'()%&=+$,;?/:#\[\]\x80-\xff]*\Z")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Bytes at which the next reader could end the URI, the line or a quoted text.
_FORBIDDEN: Final = re.compile(rb"[\x00-\x20<>\"\x7f]")
# The form of nearly every URI; any other form is parsed in full.
_PLAIN: Final = re.compile(
    rb"sip:([A-Za-z0-9\-_.]++)@([A-Za-z0-9](?:[A-Za-z0-9\-.]*[A-Za-z0-9])?)"
    rb"(?::([0-9]{1,5}))?(;[!#-;=A-~]*)?\Z"
)

_uris: Final[dict[bytes, "SipUri"]] = {}
_MANY: Final = 16
"""A URI with more parameters is not remembered: read, they take thirty times their
bytes."""


class SipUri:
    """One ``sip:`` or ``sips:`` URI.

    ``user`` is unescaped and keeps its case.  ``host`` is in the spelling of
    ``canonical_host``.  ``key`` is ``user@host`` in lower case, without port and
    parameters: endpoints, learned URIs and AORs are looked up by it.  ``target_host``
    is ``maddr`` if there is one, else the host (RFC 3263 section 4).  ``transport`` is
    the parameter in lower case.  ``hop`` is a slot for
    ``remote_targets.next_hop_name``.
    """

    __slots__ = (
        "headers",
        "hop",
        "host",
        "key",
        "parameters",
        "port",
        "raw",
        "scheme",
        "target_host",
        "transport",
        "user",
    )

    def __init__(
        self,
        raw: bytes,
        scheme: str,
        user: str | None,
        host: str,
        port: int | None,
        parameters: dict[str, bytes | None],
        headers: bytes,
    ) -> None:
        self.raw = raw
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.parameters = parameters
        self.headers = headers
        self.hop = ""
        self.key = f"{user.lower()}@{host}" if user is not None else host
        maddr, transport = parameters.get("maddr"), parameters.get("transport")
        self.target_host = canonical_host(maddr.decode("latin-1")) if maddr else host
        self.transport = transport.decode("latin-1").lower() if transport else None

    def __repr__(self) -> str:
        return f"<SipUri {self.raw!r}>"


def scheme_of(raw: bytes) -> str:
    """The scheme in lower case; raises MalformedMessage when there is none."""
    match = _SCHEME.match(raw)
    if match is None:
        raise MalformedMessage("URI without scheme")
    return match[1].decode("ascii").lower()


def port_of(uri: SipUri) -> int:
    """The port that a URI stands for: its own, else that of its transport (RFC 3261
    section 19.1.2)."""
    transport = "tls" if uri.scheme == "sips" else uri.transport or "udp"
    return uri.port or DEFAULT_PORT.get(transport, 5060)


def parse_uri(raw: bytes) -> SipUri:
    """Read a ``sip:``/``sips:`` URI.

    Raises MalformedMessage(400) for bad syntax and MalformedMessage(416) for another
    scheme (RFC 3261 section 16.3).
    """
    uri = _uris.get(raw)
    if uri is None:
        uri = _read_uri(raw)
        if len(uri.parameters) <= _MANY:
            keep(_uris, raw, uri)
    return uri


def _read_uri(raw: bytes) -> SipUri:
    plain = _PLAIN.match(raw)
    if plain is not None:
        user, name, number, text = plain.groups()
        port = int(number) if number else None
        parameters = parse_parameters(text) if text else {}
        if parameters is not None and (port is None or 0 < port < 65_536):
            return SipUri(
                raw,
                "sip",
                user.decode("ascii"),
                name.decode("ascii").lower(),
                port,
                parameters,
                b"",
            )
    return _read_carefully(raw)


def _read_carefully(raw: bytes) -> SipUri:
    """Read any form of a URI; raises MalformedMessage."""
    if _FORBIDDEN.search(raw):
        raise MalformedMessage("URI contains a forbidden character")
    scheme = scheme_of(raw)
    if scheme not in ("sip", "sips"):
        raise MalformedMessage("Unsupported URI Scheme", 416)
    rest, _, headers = raw[len(scheme) + 1 :].partition(b"?")
    at = rest.rfind(b"@")
    if at < 0 and AT in headers:
        # A "?" stands in the user part, as the grammar of section 25.1 allows.
        rest, headers = raw[len(scheme) + 1 :], b""
        at = rest.rfind(b"@")
        tail, _, headers = rest[at + 1 :].partition(b"?")
        rest = rest[: at + 1] + tail
    host_port, semicolon, parameter_text = rest[at + 1 :].partition(b";")
    parameters = parse_parameters(semicolon + parameter_text)
    match = _HOST.match(host_port)
    if match is None or parameters is None:
        raise MalformedMessage("URI with a bad host, port or parameter")
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65_536:
        raise MalformedMessage("URI with a bad port")
    return SipUri(
        raw,
        scheme,
        _user_of(rest[:at]) if at >= 0 else None,
        canonical_host(match[1].decode("ascii")),
        port,
        parameters,
        headers,
    )


def _user_of(raw: bytes) -> str:
    """The user part without password, unescaped."""
    if not raw or not _USER.match(raw) or _BAD_ESCAPE.search(raw):
        raise MalformedMessage("URI with a bad user part")
    user = raw.partition(b":")[0]
    if PERCENT in user:
        user = unquote_to_bytes(user)
    return user.decode("utf-8", "backslashreplace")
