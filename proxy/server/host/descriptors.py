"""How many files this process may have open, and how many connections that allows.

A process that was started by hand has 1,024 by default, fewer than the connections that
``[limits]`` promises: what strangers may take is lowered then, so that the rest is left
for friends, pools, the store and ourselves.
"""

import resource
from typing import Final

import structlog

log = structlog.get_logger()

_LEFT: Final = 192
"""Store, listeners, admin callers, trusted networks: what strangers never get."""
_FEWEST: Final = 64


def raise_limit() -> int:
    """Take all that the system allows; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass  # then as many as we have
    return soft


def places_for_strangers(wanted: int, outgoing: int) -> tuple[int, int]:
    """Connections accepted from strangers and opened for them, by what is possible."""
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
