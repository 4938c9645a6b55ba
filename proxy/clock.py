"""The one place that reads time.

Everything else takes ``now: float`` as an argument: seconds of the monotonic clock
in the core and the transactions, seconds since the epoch wherever a value is stored
or shown.  A deadline that must outlive a clock that is set is kept as ``uptime`` too.
"""

import time as _time
from functools import cache as _cache
from pathlib import Path as _Path

monotonic = _time.monotonic
"""Seconds that never go back; the core's clock."""

wall = _time.time  # noqa: TID251 - this module is the exception to the rule
"""Seconds since the epoch (UTC); the clock of stored and displayed instants."""

_BOOT_ID = _Path("/proc/sys/kernel/random/boot_id")


def boottime() -> float:
    """Seconds since the machine was started, those that it slept included."""
    try:
        return _time.clock_gettime(_time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return monotonic()


def uptime() -> tuple[str, float]:
    """Which start of which machine, and ``boottime``; all its processes agree.

    The name is empty where there is none: nothing can be told from such a one.
    """
    return _boot_id(), boottime()


@_cache
def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
