"""Which response goes back when a search has had several (RFC 3261 section 16.7).

Items 6 and 7: the best response, the one status that does not go back (503), and the
challenges that are joined.
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
    """Section 16.7 item 6: a 6xx first, then the lowest class, and within a class those
    that tell the client how to ask again."""
    if response.status >= 600 or best.status >= 600:
        return response.status >= 600 > best.status
    if response.status // 100 != best.status // 100:
        return response.status < best.status
    # The RFC names these.
    useful = (401, 407, 415, 420, 484)
    return response.status in useful and best.status not in useful


def replacement(best: Response, source: str) -> Refusal | None:
    """The refusal to send instead of an unsigned 503; None for every other response.

    Section 16.7 item 6: a 503 would tell the client that this proxy is overloaded.  A
    signed status stays, because to change it would break its signature.
    """
    if best.status != 503 or _is_signed(best):
        return None
    lines = zip(best.lines, best.names, strict=True)
    kept = [line for line, name in lines if name in _EXPLAINS]
    if "ms-diagnostics" not in best.index:
        kept.append(diagnostics("no diagnostics", source))
    return Refusal(500, "", tuple(kept))


def with_challenges(best: Response, challenges: Sequence[Response]) -> bytes:
    """The best response as it goes back; a 401 or 407 gets the others' challenges.

    Section 16.7 item 7: the client must be able to answer all challenges at once.  The
    lines of the others follow those of the best response, as they came.  A signed
    response stays as it is: its client takes challenges from its own server alone.
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
    """Whether a signature covers the status ([MS-SIPAE]: item 16 of what is signed)."""
    return (
        "authentication-info" in response.index
        or "proxy-authentication-info" in response.index
    )
