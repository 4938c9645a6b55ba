"""The immutable snapshot of the endpoint table that the hot path reads.

A change builds a new table and the runtime swaps it in one assignment, so a request
sees either the old world or the new one.
"""

import re
from collections.abc import Iterable, Mapping
from copy import copy
from fnmatch import translate
from functools import cached_property
from typing import Final

from proxy.endpoints.model import Cutover, Endpoint, LearnedUri, Pool

MOST_LEARNED: Final = 200
"""Service URIs of one endpoint: a pool has as many as it has channel servers."""


class EndpointTable:
    """Endpoints, pools and learned URIs, indexed for look-up.

    ``version`` grows with every change in the store; ``cutover`` is the newest one.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint] = (),
        pools: Iterable[Pool] = (),
        learned: Iterable[LearnedUri] = (),
        version: int = 0,
        cutover: Cutover | None = None,
    ) -> None:
        self.version = version
        self.cutover = cutover
        self.endpoints: dict[str, Endpoint] = {e.key: e for e in endpoints}
        self.pools: dict[str, Pool] = {p.fqdn.lower(): p for p in pools}
        self.learned: dict[str, LearnedUri] = {u.key: u for u in learned}
        self.tags: dict[str, bytes] = {k: e.tag for k, e in self.endpoints.items()}
        self.by_tag: dict[bytes, Endpoint] = {
            self.tags[k]: e for k, e in self.endpoints.items()
        }
        for endpoint in self.endpoints.values():
            self.pools.setdefault(
                endpoint.pool_fqdn.lower(), Pool(endpoint.pool_fqdn.lower())
            )
            if endpoint.canary is not None:
                fqdn = endpoint.canary.pool_fqdn.lower()
                self.pools.setdefault(fqdn, Pool(fqdn))
        for uri in self.learned.values():
            self.pools.setdefault(uri.pool_fqdn.lower(), Pool(uri.pool_fqdn.lower()))

    def pool(self, fqdn: str) -> Pool | None:
        """The pool with this FQDN, in any case; None when no row names it."""
        return self.pools.get(fqdn.lower())

    def count_learned(self, endpoint_key: str) -> int:
        """How many service URIs an endpoint's pools have handed out."""
        return sum(x.endpoint_key == endpoint_key for x in self.learned.values())

    def with_learned(self, more: Mapping[str, LearnedUri]) -> "EndpointTable":
        """This table and some more learned URIs, by key; the version stays."""
        table = copy(self)
        table.learned = {**self.learned, **more}
        missing = {u.pool_fqdn.lower() for u in more.values()} - self.pools.keys()
        if missing:
            table.pools = {**self.pools, **{fqdn: Pool(fqdn) for fqdn in missing}}
        return table

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Endpoint]]:
        return [
            (re.compile(translate(pattern.removeprefix("sip:").lower())), endpoint)
            for endpoint in self.endpoints.values()
            for pattern in endpoint.service_uris
        ]

    def endpoint_by_service_uri(self, key: str) -> Endpoint | None:
        """The endpoint with a ``--service-uri`` pattern that matches ``user@host``."""
        for pattern, endpoint in self._patterns:
            if pattern.match(key):
                return endpoint
        return None
