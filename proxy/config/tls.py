"""Which files TLS uses, as written in `[tls]`, at a listener or at a pool."""

from pathlib import Path
from typing import Literal, NamedTuple

from proxy.config.section import Section, section, setting

MinimumVersion = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


@section
class TlsFiles(Section):
    """Certificate chain, private key and trusted authorities, as PEM files."""

    certificate: str | None = setting(default=None, example="/etc/waypost/proxy.pem")
    key: str | None = setting(default=None, example="/etc/waypost/proxy.key")
    ca: str | None = setting(default=None, example="/etc/waypost/ca.pem")


@section
class TlsDefaults(TlsFiles):
    """``[tls]``: the files of listeners and pools that name none, and the oldest
    version."""

    minimum_version: MinimumVersion = "TLSv1.2"


@section
class TlsSection(TlsFiles):
    """What a listener or a pool may name; the rest is that of ``[tls]``."""

    minimum_version: MinimumVersion | None = None


class TlsPaths(NamedTuple):
    """Absolute paths of TLS files."""

    certificate: Path | None
    key: Path | None
    ca: Path | None
