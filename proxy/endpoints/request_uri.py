"""The Request-URI that a request to an endpoint leaves with (decision 3)."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def request_uri_for(policy: str, dialled: bytes, pool_fqdn: str) -> bytes:
    """The Request-URI for a pool by an endpoint's policy (decision 3).

    ``pool-host`` keeps user part and parameters as dialled; what led to us (port,
    transport, maddr) has done its work.
    """
    if policy == "keep":
        return dialled
    if policy != "pool-host":
        return policy.encode()
    at = dialled.rfind(b"@")
    parameters = dialled[at + 1 :].split(b";")[1:]
    kept = [
        p
        for p in parameters
        if p.partition(b"=")[0].lower() not in (b"transport", b"maddr", b"lr")
    ]
    return b";".join((dialled[: at + 1] + pool_fqdn.encode(), *kept))
