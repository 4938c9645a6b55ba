"""Logs what DNS says: each change for the worse or the better, once.

Only names of the table and the default route are logged, not those that strangers make
us look up.  Of several workers only the first one logs, because all ask the same
servers.
"""

from typing import Final, Literal

import structlog

from proxy.pools.front_end import Lookup, Resolution

log = structlog.get_logger()

_State = Literal["", "stale", "failed"]
_EVENT: Final = {"stale": "dns.stale", "failed": "dns.failed"}


class DnsNews:
    """Remembers what was logged for each name; logs nothing while ``is_quiet``."""

    def __init__(self) -> None:
        self.is_quiet = False
        self._said: dict[Lookup, tuple[_State, int]] = {}

    def tell(self, resolution: Resolution) -> None:
        """A name resolves to something else than before, or does not resolve."""
        state: _State = ""
        if resolution.error is not None:
            state = "failed"
        elif resolution.stale_since is not None:
            state = "stale"
        lookup, count = resolution.lookup, len(resolution.front_ends())
        before = self._said.get(lookup)
        self._said[lookup] = (state, count)
        if self.is_quiet or (state, count) == before:
            return
        if state:
            log.warning(
                _EVENT[state],
                name=lookup.host,
                reason=resolution.reason,
                front_ends=count,
            )
        elif before is not None:
            event = "dns.recovered" if before[0] else "dns.changed"
            log.info(event, name=lookup.host, front_ends=count)

    def servers(self, addresses: list[str]) -> None:
        """Other name servers are asked from now on."""
        if not self.is_quiet:
            log.info("dns.servers", servers=addresses)

    def keep(self, lookups: list[Lookup]) -> None:
        """Forget all names but these."""
        wanted = set(lookups)
        self._said = {k: v for k, v in self._said.items() if k in wanted}
