"""The answer when nobody could be reached (RFC 3261 section 16.7; decision 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy.core.answers.replies import diagnostics
from proxy.core.validation import SILENT, Refusal

if TYPE_CHECKING:
    from proxy.core.routing.target import Target

TOO_LARGE: Final = "too-large"
"""The reason of a datagram that the kernel did not take for its size."""


def unreached(
    target: Target,
    is_invite: bool,
    source: str,
    cause: str,
    detail: str = "",
    peer: str = "",
) -> Refusal:
    """The answer for one target; ``cause`` is a key of ``replies.DIAGNOSTICS``.

    It is 480 when a client's connection is gone or no contact can be reached, and 408
    for an INVITE that a contact got and did not answer (section 16.7 item 6; RFC 4320
    forbids a 408 for any other method).  It is 481 inside a dialog, at which a legacy
    client starts over at once; with any other status it would stay in a dialog whose
    front end has died.  It is 504 otherwise.  A request that no datagram can carry is
    its sender's matter and gets 513, wherever it was going.
    """
    if detail == TOO_LARGE:
        cause = "larger than a datagram, and the next hop has UDP alone"
        return Refusal(513, "", (diagnostics("unreadable", source, cause=cause),))
    if target.rule in ("client", "contact", "binding"):
        if detail == "timeout" and is_invite:
            return Refusal(SILENT, "", (diagnostics("timeout", source),))
        return Refusal(480, "", (diagnostics("flow gone", source),))
    pool = target.pool
    if target.rule == "default" and target.lookup is not None:
        pool = target.lookup.host
    line = diagnostics(cause, source, pool=pool, frontend=peer, cause=detail)
    return Refusal(481 if target.rule == "dialog" else 504, "", (line,))
