"""Which pool a user of an endpoint goes to while a canary runs."""

from zlib import crc32

from proxy.endpoints.model import Endpoint


def pool_for(endpoint: Endpoint, from_aor: str) -> str:
    """The pool FQDN for the client ``from_aor`` (``user@host``, lower case).

    The same user always goes to the same pool as long as the percentage stays, and a
    rising percentage only ever moves users towards the canary.
    """
    canary = endpoint.canary
    if canary is None:
        return endpoint.pool_fqdn
    if from_aor in canary.pilots or crc32(from_aor.encode()) % 100 < canary.percent:
        return canary.pool_fqdn
    return endpoint.pool_fqdn
