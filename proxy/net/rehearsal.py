"""A handshake with ourselves, in memory: what would a peer say of our certificate?

OpenSSL judges, by the rules that a peer's OpenSSL would use: does the key belong to
the certificate, is it valid today, is it one for servers, does it cover our host (RFC
6125, wildcards too).  Whether the peer trusts its authority cannot be known here, so
the certificate itself is trusted, and shown alone; what stands behind it in the file is
`chain.py`.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy import clock
from proxy.net.chain import walk
from proxy.net.errors import NetError
from proxy.net.tls import MinimumVersion, TlsFiles, peer_names, server_context
from proxy.net.tls_trouble import as_file, blocks, read_text


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate as a peer sees it; ``expires`` is seconds since 1970, UTC.

    That is the first end among all that a peer needs: ``weakest`` names the authority
    whose certificate it is, empty for our own.  ``doubt`` is why some peers may refuse.
    """

    names: tuple[str, ...]
    expires: float
    weakest: str = ""
    doubt: str = ""


def rehearse(
    files: TlsFiles, host: str | None, minimum: MinimumVersion = "TLSv1.2"
) -> Shown:
    """Shake hands as ``host`` (None: any name), and return the certificate shown.

    Raises NetError with what is wrong and what to do.
    """
    # All of the file first: what does not load whole is no good.
    server_context(TlsFiles(files.certificate, files.key, None), minimum=minimum)
    assert files.certificate is not None
    text = read_text(files.certificate)
    own = blocks(text)[0]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = host is not None
    client.set_ciphers("DEFAULT:@SECLEVEL=0")  # the strength is the peer's business
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=own)
    with as_file(own) as alone:
        server = server_context(
            TlsFiles(alone, files.key or files.certificate), minimum=minimum
        )
    try:
        found = _shake_hands(server, client, host)[0]
    except ssl.SSLCertVerificationError as error:
        raise NetError(
            f"{files.certificate} cannot be used as {host or 'ours'}:"
            f" {error.verify_message}; {_advice(error, host)}"
        ) from error
    except ssl.SSLError as error:
        raise NetError(f"{files.certificate} cannot be used: {error}") from error
    path = walk(found, text, files.ca, files.certificate, clock.wall())
    if path.broken:
        raise NetError(path.broken)
    return Shown(_all_names(found), path.ends_at, path.weakest, path.doubt)


def rehearse_client(files: TlsFiles) -> Shown:
    """The same for a certificate that we present to pools, as a pool would judge it.

    Raises NetError with what is wrong and what to do.
    """
    assert files.certificate is not None
    text = read_text(files.certificate)
    own = blocks(text)[0]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with as_file(own) as alone:
        key = files.key or files.certificate
        server = server_context(TlsFiles(alone, key))
        client.load_cert_chain(alone, key)
    for context in (server, client):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    server.load_verify_locations(cadata=own)
    try:
        found = _shake_hands(server, client, None)[1]
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or str(error)
        raise NetError(
            f"{files.certificate} cannot be used towards pools: {reason}; ask for one"
            " with the usage Client Authentication that is valid now"
        ) from error
    path = walk(found, text, files.ca, files.certificate, clock.wall())
    if path.broken:
        raise NetError(path.broken)
    return Shown(_all_names(found), path.ends_at, path.weakest, path.doubt)


def _all_names(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    """The names in our own certificate, wildcards included, for display."""
    alternatives = certificate.get("subjectAltName", ())
    names = [value.lower() for kind, value in alternatives if kind in ("DNS", "URI")]
    return tuple(dict.fromkeys(names)) or peer_names(certificate)


def _shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the client saw of the server, and the server of the client."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname=host)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):  # flights; two are enough for every version
        for end in (theirs, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs.getpeercert() or {}, ours.getpeercert() or {}


def _advice(error: ssl.SSLCertVerificationError, host: str | None) -> str:
    message = error.verify_message
    if "mismatch" in message.lower():
        return (
            f"ask for one with {host} among its subject alternative names, or correct"
            " advertised_host"
        )
    if "purpose" in message:
        return "ask for one with the usage Server Authentication"
    return "ask for a new one, or look at this machine's clock"
