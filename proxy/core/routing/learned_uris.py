"""Service URIs that pools handed out: the pool for a caller, and unsaved ones.

Two pools of one endpoint may hand out the same URI.  So there is a row for each pool,
and a caller goes to the pool that its calls to the endpoint go to (decision 121).
"""

from collections.abc import Sequence
from typing import Final

from proxy.endpoints.canary import pool_for
from proxy.endpoints.model import Endpoint, LearnedUri
from proxy.endpoints.table import EndpointTable
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri

JUST_NOW: Final = float("inf")
"""The instant of a row that is not saved yet: later than that of any saved row."""


def pool_of_user(endpoint: Endpoint, request: Request) -> str:
    """The pool to which this caller's requests for an endpoint go."""
    if endpoint.canary is None:
        return endpoint.pool_fqdn
    return pool_for(endpoint, request.from_aor())


def pool_of_caller(
    table: EndpointTable, request: Request, rows: Sequence[LearnedUri]
) -> str:
    """The caller's pool, if it is among those that handed the URI out; else empty."""
    first = rows[0]
    endpoint = table.endpoints.get(first.endpoint_key)
    if endpoint is None:
        return first.pool_fqdn
    pool = pool_of_user(endpoint, request)
    for row in rows:
        if row.pool_fqdn == pool:
            return pool
    return ""


class UnsavedUris:
    """The URIs that were learned here and may not be in the store yet."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], LearnedUri] = {}

    def note(
        self, table: EndpointTable, uri: str, pool: str, endpoint_key: str
    ) -> EndpointTable | None:
        """The table with one more URI; None when that was known already."""
        key = parse_uri(uri.encode()).key
        row = LearnedUri(uri, key, pool, endpoint_key, JUST_NOW, JUST_NOW)
        if key in table.endpoints or table.knows(row):
            return None
        self._rows[(key, pool)] = row
        return table.with_learned([row])

    def joined(self, table: EndpointTable) -> EndpointTable:
        """The table of the store, with the URIs that it does not have yet."""
        found = [x for x in self._rows.values() if not table.knows(x)]
        return table.with_learned(found) if found else table

    def settle(self, table: EndpointTable) -> None:
        """Forget the URIs that the store has by now, or whose endpoint is gone."""
        for key, row in list(self._rows.items()):
            if table.knows(row) or row.endpoint_key not in table.endpoints:
                del self._rows[key]
