"""Which rule of routing (RFC 3261 section 16.5) refused a request, in words.  Pure.

A request that was refused by its rule has no target.  One that has a rule and no
attempt either had a target, and the search for it ended before the first attempt: DNS
did not know it, or the caller gave up.
"""

from typing import Final

RULES: Final = {
    "validation": "the request cannot be forwarded as it is (RFC 3261 section 16.3)",
    "dialog": "its Route token leads to nobody of that dialog",
    "route": "its Route names a host that we do not serve",
    "ourselves": "it is addressed to this proxy itself",
    "endpoint": "the endpoint is retired",
    "contact": "the client's connection is gone",
    "binding": "the registered connection is gone",
    "default": "the default route does not take it",
    "nowhere": "no rule knows the address: it is no endpoint, pool, learned URI or "
    "registered user, and there is no default route",
}
"""Why a rule of section 16.5 refuses, in words."""
_REFUSES_BY: Final = {
    "dialog": (403, 480),
    "route": (403,),
    "endpoint": (410,),
    "contact": (480,),
    "binding": (480,),
    "default": (403,),
}
"""What these rules answer themselves.  Any other status came later: they had found a
target, and the search for it failed."""


def refused_by(rule: str, status: int) -> str:
    """The rule that refused, in words; empty when none did."""
    if rule not in RULES or status not in _REFUSES_BY.get(rule, (status,)):
        return ""
    return f"rule {rule}: {RULES[rule]}"
