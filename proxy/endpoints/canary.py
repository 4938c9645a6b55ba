"""Which pool a user of an endpoint goes to while a canary runs."""

from zlib import crc32

from proxy.endpoints.model import Endpoint


def bucket_of(from_aor: str) -> int:
    """The number from 0 to 99 that a user has, the same everywhere and for ever."""
    return crc32(from_aor.encode()) % 100


def pool_for(endpoint: Endpoint, from_aor: str) -> str:
    """The pool FQDN for the client ``from_aor`` (``user@host``, lower case).

    The same user always goes to the same pool as long as the percentage stays, and a
    rising percentage only ever moves users towards the canary.
    """
    canary = endpoint.canary
    if canary is None:
        return endpoint.pool_fqdn
    if from_aor in canary.pilots or bucket_of(from_aor) < canary.percent:
        return canary.pool_fqdn
    return endpoint.pool_fqdn
