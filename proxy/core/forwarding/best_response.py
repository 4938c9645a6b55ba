"""Which response goes back when a search has had several (RFC 3261 section 16.7).

Items 6 and 7 of that section: the best response, the one status that is not passed on,
and what a challenge says beside its own.
"""

from collections.abc import Sequence
from typing import Final

from proxy.core.answers.replies import diagnostics
from proxy.core.validation import Refusal
from proxy.sip.message import Response

CHALLENGES: Final = (401, 407)
_CHALLENGES: Final = frozenset({"www-authenticate", "proxy-authenticate"})
_EXPLAINS: Final = frozenset({"ms-diagnostics", "retry-after", "warning"})


def is_better(response: Response, best: Response) -> bool:
    """Section 16.7 item 6: 6xx first, then the lowest class, then the useful ones."""
    if response.status >= 600 or best.status >= 600:
        return response.status >= 600 > best.status
    if response.status // 100 != best.status // 100:
        return response.status < best.status
    # Those that tell the client how to ask again; the RFC names them.
    useful = (401, 407, 415, 420, 484)
    return response.status in useful and best.status not in useful


def replacement(best: Response, source: str) -> Refusal | None:
    """What is said instead of an unsigned 503; None for every other response.

    A 503 would tell the client that we are overloaded; a signed status cannot be
    changed without breaking its signature.
    """
    if best.status != 503 or _is_signed(best):
        return None
    lines = zip(best.lines, best.names, strict=True)
    kept = [line for line, name in lines if name in _EXPLAINS]
    if "ms-diagnostics" not in best.index:
        kept.append(diagnostics("no diagnostics", source))
    return Refusal(500, "", tuple(kept))


def with_challenges(best: Response, challenges: Sequence[Response]) -> bytes:
    """The best response as it goes back: a 401 or 407 with what the others ask for.

    Section 16.7 item 7: the client must be able to answer every one of them at once.
    Their lines follow the best one's own, as they came.  What is signed stays as it is:
    its client takes no challenge but its own server's.
    """
    if best.status not in CHALLENGES or len(challenges) < 2 or _is_signed(best):
        return best.forwarded()
    own = _challenges_of(best)
    more: list[bytes] = []
    for response in challenges:
        if response is not best:
            more += [
                line
                for line in _challenges_of(response)
                if line not in own and line not in more
            ]
    if not more:
        return best.forwarded()
    head, end, body = best.forwarded().partition(b"\r\n\r\n")
    return b"\r\n".join((head, *more)) + end + body


def _challenges_of(response: Response) -> list[bytes]:
    lines = zip(response.lines, response.names, strict=True)
    return [line for line, name in lines if name in _CHALLENGES]


def _is_signed(response: Response) -> bool:
    """True when the status is part of a signature ([MS-SIPAE], item 16)."""
    return (
        "authentication-info" in response.index
        or "proxy-authentication-info" in response.index
    )
