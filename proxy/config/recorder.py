"""The section ``[recorder]``: what is remembered of calls, for ``waypost trace``."""

import re
from typing import Final

from proxy.config.section import Section, section, setting

_HEP: Final = re.compile(r"udp:(\[[0-9A-Fa-f:.%]+\]|[\w.-]+):(\d{1,5})\Z")


def _hep(value: str) -> str:
    match = _HEP.match(value)
    if value and (match is None or not 0 < int(match[2]) < 65_536):
        raise ValueError(
            f'"{value}" names no HEP server: write "udp:homer.contoso.test:9060"'
        )
    return value


@section
class RecorderSection(Section):
    """How much is remembered, and whether bodies are; 0 megabytes: nothing is."""

    megabytes: int = setting(default=16, ge=0, le=1024)
    bodies: bool = False
    calls: int = setting(default=10_000, ge=0, le=1_000_000)
    hep: str = setting(default="", example="udp:homer.contoso.test:9060", check=_hep)

    @property
    def hep_address(self) -> tuple[str, int] | None:
        """Host and port of whom messages are sent to; None: nobody."""
        if not self.hep:
            return None
        host, _, port = self.hep.removeprefix("udp:").rpartition(":")
        return host.strip("[]"), int(port)
