"""TLS contexts from certificate, key and authority files (PEM), and peers' names.

The code that shakes hands holds a ``TlsEnd`` and reads its ``context`` each time, so
new files count for new connections (``server/certificates.py`` decides when).  Whether
a certificate fits its host is ``rehearsal.py``.  Names are those of RFC 5922 section
7.1.
"""

import contextlib
import re
import ssl
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from proxy.net.errors import NetError
from proxy.net.tls_trouble import explain
from proxy.sip.errors import SipError
from proxy.sip.host import canonical_host
from proxy.sip.uri import SipUri, parse_uri

VerifyClient = Literal["none", "optional", "required"]
MinimumVersion = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

_VERSIONS: Final[dict[str, ssl.TLSVersion]] = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_DOMAIN: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.\-]*[a-z0-9_])?\Z")
_DOUBLES: Final = frozenset("\u2126\u212a\u212b")
"""Ohm, Kelvin and Angstrom: in lower case they are letters of another name."""
_OLD: Final = ("TLSv1", "TLSv1.1")
_VERIFY: Final[dict[str, ssl.VerifyMode]] = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files; without ``ca`` the system's authorities are trusted.

    Where ``ca`` holds revocation lists as well, every certificate of a peer's chain is
    looked up in them, and one whose authority has no current list there is refused.
    """

    certificate: str | None = None
    key: str | None = None
    ca: str | None = None


@dataclass(slots=True)
class TlsEnd:
    """One end of TLS: its files, its rules, and the context in force now.

    ``trusted_peers`` are names of which a client's certificate must have one; empty
    when every certificate of a trusted authority will do.
    """

    files: TlsFiles
    context: ssl.SSLContext
    is_server: bool
    verify_client: VerifyClient = "none"
    minimum: MinimumVersion = "TLSv1.2"
    trusted_peers: tuple[str, ...] = ()

    def fresh_context(self) -> ssl.SSLContext:
        """What the files give now; the one in force stays.  Raises NetError."""
        if self.is_server:
            return server_context(self.files, self.verify_client, self.minimum)
        return client_context(self.files, self.minimum)


def server_end(
    files: TlsFiles,
    verify_client: VerifyClient = "none",
    minimum: MinimumVersion = "TLSv1.2",
    trusted_peers: tuple[str, ...] = (),
) -> TlsEnd:
    """The end of a listener.  Raises NetError for files that do not load."""
    context = server_context(files, verify_client, minimum)
    return TlsEnd(files, context, True, verify_client, minimum, trusted_peers)


def client_end(files: TlsFiles, minimum: MinimumVersion = "TLSv1.2") -> TlsEnd:
    """Our end towards pools.  Raises NetError for files that do not load."""
    return TlsEnd(files, client_context(files, minimum), False, "none", minimum)


def server_context(
    files: TlsFiles,
    verify_client: VerifyClient = "none",
    minimum: MinimumVersion = "TLSv1.2",
) -> ssl.SSLContext:
    """What a listener offers and asks for.  Raises NetError."""
    if files.certificate is None:
        raise NetError("a tls listener needs a certificate: set [tls] certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _set_floor(context, minimum)
    context.verify_mode = _VERIFY[verify_client]
    if verify_client != "none" and files.ca is None:
        raise NetError("checking clients needs the authorities to trust: set ca")
    _load(context, files)
    return context


def client_context(
    files: TlsFiles, minimum: MinimumVersion = "TLSv1.2"
) -> ssl.SSLContext:
    """What we ask of a pool: chain and name verified, our certificate offered.

    Raises NetError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _set_floor(context, minimum)
    if files.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    _load(context, files)
    return context


def peer_names(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Every domain that a verified certificate gives its peer, lower case.

    DNS names first, then the hosts of SIP URIs, of the subject alternative name; the
    common name counts only where there is no alternative name at all.  A URI with a
    user part names a user and no domain (``peer_users``).  A ``sips:`` URI, one with
    another scheme, and an address name neither.  A wildcard proves nothing about a
    single server, whatever label it stands in (RFC 5922 section 7.2).  ``certificate``
    is what ``SSLSocket.getpeercert`` returns, empty for a peer that showed none.
    """
    if not certificate:
        return ()
    alternatives = certificate.get("subjectAltName", ())
    found = [value for kind, value in alternatives if kind == "DNS"]
    found += [uri.host for uri in _sip_uris(alternatives) if uri.user is None]
    if not alternatives:
        found = [
            value
            for part in certificate.get("subject", ())
            for kind, value in part
            if kind == "commonName"
        ]
    # A letter that is none of ASCII may have a small one that is (U+212A, "K").
    names = (canonical_host(name) for name in found if name.isascii())
    return tuple(dict.fromkeys(name for name in names if _is_domain(name)))


def peer_users(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Every user that a verified certificate names, as ``user@host`` in lower case."""
    if not certificate:
        return ()
    uris = _sip_uris(certificate.get("subjectAltName", ()))
    return tuple(
        dict.fromkeys(
            uri.key for uri in uris if uri.user and not _DOUBLES.intersection(uri.user)
        )
    )


def has_ended(certificate: Mapping[str, Any], now: float) -> bool:
    """Whether the time of a verified certificate is over.

    Who resumes a session (RFC 8446 section 2.2, RFC 5077) is verified by that of the
    first handshake, and OpenSSL does not look at its dates again.
    """
    return now > ssl.cert_time_to_seconds(certificate["notAfter"])


def _is_domain(name: str) -> bool:
    return bool(_DOMAIN.match(name)) and not name.rpartition(".")[2].isdecimal()


def _sip_uris(alternatives: Iterable[tuple[str, str]]) -> list[SipUri]:
    """The ``sip:`` URIs of a subject alternative name; what cannot be read is none."""
    found = []
    for kind, value in alternatives:
        if kind == "URI" and value[:4].lower() == "sip:":
            with contextlib.suppress(SipError, UnicodeEncodeError):
                found.append(parse_uri(value.encode("ascii")))
    return found


def is_trusted(names: tuple[str, ...], trusted: tuple[str, ...]) -> bool:
    """Whether a certificate with these names (``peer_names``) is of a trusted peer.

    ``trusted`` are lower case; ``*.contoso.com`` takes any one label.
    """
    return any(
        name in trusted or f"*.{name.partition('.')[2]}" in trusted for name in names
    )


def _set_floor(context: ssl.SSLContext, minimum: MinimumVersion) -> None:
    with warnings.catch_warnings():
        # 1.0 and 1.1 are deprecated: only an administrator can name them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[minimum]
    if minimum in _OLD:
        # Their signatures use SHA-1, which OpenSSL 3 refuses at any other level.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        if files.certificate is not None:
            context.load_cert_chain(
                files.certificate, files.key, password=_refuse_passphrase(files)
            )
        if files.ca is not None:
            context.load_verify_locations(files.ca)
            if _has_revocations(files.ca):
                context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    except OSError as error:  # ssl.SSLError is one
        raise NetError(
            explain(files.certificate, files.key, files.ca, error)
        ) from error


def _has_revocations(path: str) -> bool:
    """Whether the file of authorities brings revocation lists with it."""
    with open(path, "rb") as file:
        return b"-----BEGIN X509 CRL-----" in file.read()


def _refuse_passphrase(files: TlsFiles) -> Any:
    """A password callback; without one OpenSSL would ask on the terminal."""

    def asked() -> str:
        name = files.key or files.certificate
        raise NetError(f"{name} has a passphrase: write it without one, mode 0600")

    return asked
