"""The immutable snapshot of the endpoint table that the hot path reads.

A change builds a new table and the runtime swaps it in one assignment, so a request
sees either the old world or the new one.
"""

import re
from collections.abc import Iterable, Iterator
from copy import copy
from fnmatch import translate
from functools import cached_property
from typing import Final

from proxy.endpoints.model import Cutover, Drain, Endpoint, LearnedUri, Pool

MOST_LEARNED: Final = 200
"""Service URIs of one endpoint and pool, which has one for each channel server."""
MOST_POOLS: Final = 4
"""Pools that are remembered for one service URI: those that handed it out last."""
Learned = dict[str, tuple[LearnedUri, ...]]


class EndpointTable:
    """Endpoints, pools and learned URIs, indexed for look-up.

    ``version`` grows with every change in the store; ``cutover`` is the newest one.
    ``learned`` has a row for each pool that handed out an address, the newest first.
    ``drains`` are front ends that get no new dialogs.  A drain that has ended stays
    among them until a node removes its row.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint] = (),
        pools: Iterable[Pool] = (),
        learned: Iterable[LearnedUri] = (),
        version: int = 0,
        cutover: Cutover | None = None,
        drains: Iterable[Drain] = (),
    ) -> None:
        self.drains: tuple[Drain, ...] = tuple(drains)
        self.version = version
        self.cutover = cutover
        self.endpoints: dict[str, Endpoint] = {e.key: e for e in endpoints}
        self.pools: dict[str, Pool] = {p.fqdn.lower(): p for p in pools}
        self.learned: Learned = {}
        for uri in learned:
            self.learned[uri.key] = _joined(self.learned.get(uri.key, ()), uri)
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
        for uri in self.learned_uris():
            self.pools.setdefault(uri.pool_fqdn.lower(), Pool(uri.pool_fqdn.lower()))
        # Dialogs are still there, and a rollback leads back there at any moment: it
        # stays resolved, judged and counted.
        for fqdn in self.pools_to_return_to:
            self.pools.setdefault(fqdn, Pool(fqdn))

    @property
    def pools_to_return_to(self) -> frozenset[str]:
        """The pools that the rollback of an open cutover would lead back to."""
        last = self.cutover
        return frozenset() if last is None or not last.is_open else last.pools_before

    def pool(self, fqdn: str) -> Pool | None:
        """The pool with this FQDN, in any case; None when no row names it."""
        return self.pools.get(fqdn.lower())

    def drain(self, key: str) -> Drain | None:
        """The drain with this key; None when there is none."""
        return next((each for each in self.drains if each.key == key), None)

    def learned_uris(self) -> Iterator[LearnedUri]:
        """Every row of every learned service URI."""
        for rows in self.learned.values():
            yield from rows

    def count_learned(self, endpoint_key: str, pool_fqdn: str) -> int:
        """How many service URIs a pool has handed out in calls to an endpoint."""
        return sum(
            x.endpoint_key == endpoint_key and x.pool_fqdn == pool_fqdn
            for x in self.learned_uris()
        )

    def knows(self, uri: LearnedUri) -> bool:
        """Whether this pool is known to have handed it out for this endpoint."""
        return any(
            x.pool_fqdn == uri.pool_fqdn and x.endpoint_key == uri.endpoint_key
            for x in self.learned.get(uri.key, ())
        )

    def with_learned(self, more: Iterable[LearnedUri]) -> "EndpointTable":
        """This table and some more learned URIs; the version stays."""
        table = copy(self)
        table.learned = learned = {**self.learned}
        found: set[str] = set()
        for uri in more:
            learned[uri.key] = _joined(learned.get(uri.key, ()), uri)
            found.add(uri.pool_fqdn.lower())
        missing = found - self.pools.keys()
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


def _joined(rows: tuple[LearnedUri, ...], uri: LearnedUri) -> tuple[LearnedUri, ...]:
    """The rows of one address with another one, the newest first.

    All are of one endpoint: a row of another endpoint takes the place of all.
    """
    others = [
        x
        for x in rows
        if x.endpoint_key == uri.endpoint_key and x.pool_fqdn != uri.pool_fqdn
    ]
    ordered = sorted([uri, *others], key=lambda x: x.learned_at, reverse=True)
    return tuple(ordered[:MOST_POOLS])
