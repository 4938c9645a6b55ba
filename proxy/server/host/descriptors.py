"""How many files this process may have open, and how many connections that allows.

A process that was started by hand may have 1,024 by default, fewer than the connections
that ``[limits]`` promises.  Then strangers get fewer, so that some are left for
friends, pools, the store and ourselves.
"""

import resource
from typing import Final

import structlog

log = structlog.get_logger()

_LEFT: Final = 192
"""Descriptors that strangers never get: for store, listeners, admin callers and trusted
networks."""
_FEWEST: Final = 64


def raise_limit() -> int:
    """Raise our limit as far as the system allows; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass  # keep the limit that we have
    return soft


def places_for_strangers(wanted: int, outgoing: int) -> tuple[int, int]:
    """How many connections to accept from strangers, and to open for them, within the
    limit of this process."""
    limit = raise_limit()
    if limit == resource.RLIM_INFINITY:
        return wanted, outgoing
    free = max(limit - _LEFT, _FEWEST)
    if wanted + outgoing <= free * 3 // 4:
        return wanted, outgoing
    accepted = min(wanted, free // 2)
    opened = min(outgoing, free // 4)
    log.warning(
        "limits.lowered",
        connections=accepted,
        outgoing=opened,
        reason=f"this process may have {limit} files open: raise LimitNOFILE",
    )
    return accepted, opened
