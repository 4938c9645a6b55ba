"""The Request-URI that a request to an endpoint leaves with (decision 2)."""

from functools import lru_cache


@lru_cache(maxsize=4096)
def request_uri_for(policy: str, dialled: bytes, pool_fqdn: str) -> bytes:
    """The Request-URI for a pool by an endpoint's policy (decision 2).

    ``pool-host`` keeps user part and parameters as dialled.  It drops what has led the
    request to us (port, transport, maddr, lr): at the pool that would be wrong.
    """
    if policy == "keep":
        return dialled
    if policy != "pool-host":
        # A caller that dialled sips: wants TLS on every hop, the pool's included (RFC
        # 3261 section 26.2.2).
        is_sips = dialled[:5].lower() == b"sips:" and policy[:4].lower() == "sip:"
        return b"sips:" + policy[4:].encode() if is_sips else policy.encode()
    at = dialled.rfind(b"@")
    parameters = dialled[at + 1 :].split(b";")[1:]
    kept = [
        p
        for p in parameters
        if p.partition(b"=")[0].lower() not in (b"transport", b"maddr", b"lr")
    ]
    return b";".join((dialled[: at + 1] + pool_fqdn.encode(), *kept))
