"""The chain behind our certificate, as a peer would walk it.

A peer goes from our certificate to the one that signed it, and on, until it meets an
authority that it has itself (RFC 5280 section 6.1).  What the file holds beyond that
point is never looked at: an old cross-signed root at its end does no harm.  Which
authorities peers have cannot be known; those that we have are the best guess.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.net.tls_trouble import blocks

Described = Mapping[str, Any]
"""A certificate as ``ssl`` describes it: subject, issuer, notBefore, notAfter."""

_LONGEST: Final = 10


@dataclass(frozen=True, slots=True)
class Path:
    """What of the file a peer needs: ``ends_at`` is when the first of it ends.

    ``weakest`` names that certificate when it is not our own.  ``broken`` when peers
    would refuse it, ``doubt`` when some may; both say why, and what to do.
    """

    ends_at: float
    weakest: str = ""
    broken: str = ""
    doubt: str = ""


def walk(own: Described, text: str, ca: str | None, file: str, now: float) -> Path:
    """Follow the chain in ``text``, the content of ``file``, from our certificate.

    ``ca`` is the file of the authorities that we trust in addition to the system's.
    """
    others = [found for each in blocks(text)[1:] for found in _authorities(cadata=each)]
    anchors = _Anchors(ca, now)
    ends_at, weakest = _end(own), ""
    current = own
    for depth in range(_LONGEST):
        issuer = current["issuer"]
        if issuer == current["subject"] or anchors.have(issuer):
            break
        known = [each for each in others if each["subject"] == issuer]
        if not known:
            return Path(ends_at, weakest, doubt=_missing(issuer, current, file))
        current = max(known, key=_end)
        if _end(current) <= now:
            if depth == 0:
                return Path(ends_at, weakest, broken=_ended(current, file))
            return Path(ends_at, weakest, doubt=_ended_root(current, file))
        if _end(current) < ends_at:
            ends_at, weakest = _end(current), name_of(current["subject"])
    return Path(ends_at, weakest)


class _Anchors:
    """Names of the authorities that this machine trusts; the system's if need be."""

    def __init__(self, ca: str | None, now: float) -> None:
        self._now = now
        self._own = self._names(_authorities(cafile=ca)) if ca else set()
        self._systems: set[Any] | None = None

    def have(self, name: Any) -> bool:
        if name in self._own:
            return True
        if self._systems is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            self._systems = self._names(context.get_ca_certs())
        return name in self._systems

    def _names(self, found: Sequence[Described]) -> set[Any]:
        return {each["subject"] for each in found if _end(each) > self._now}


def _authorities(**source: str) -> list[Described]:
    """The certificates of authorities in a file or a text; others are left out."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(**source)
    except OSError:  # ssl.SSLError is one
        return []
    return list(context.get_ca_certs())


def _end(certificate: Described) -> float:
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def name_of(subject: Any) -> str:
    """A subject or issuer for people: its common name, else all of it."""
    pairs = [pair for part in subject for pair in part]
    common = [value for kind, value in pairs if kind == "commonName"]
    return str(common[-1]) if common else ", ".join(f"{k} {v}" for k, v in pairs)


def _missing(issuer: Any, current: Described, file: str) -> str:
    return (
        f"{name_of(current['subject'])} was signed by {name_of(issuer)}, which is"
        f" neither in {file} nor among the authorities of this machine: if it is an"
        " intermediate authority, peers will refuse us until its certificate is"
        " appended to the file; if it is a root that your peers trust, name it in ca"
    )


def _ended(authority: Described, file: str) -> str:
    return (
        f"the certificate of {name_of(authority['subject'])} in {file}, which signed"
        f" ours, ended {authority['notAfter']}: put its present one in its place"
    )


def _ended_root(authority: Described, file: str) -> str:
    return (
        f"the certificate of {name_of(authority['subject'])} in {file} ended"
        f" {authority['notAfter']}: peers that have this authority as a root of their"
        " own do not look at it, all others refuse us; take it out, or put its present"
        " one in its place"
    )
