"""Instants and spans as people type them: ``10:40``, ``2026-11-28 10:40``, ``15m``."""

import re
from datetime import datetime, timedelta
from typing import Final

from proxy import clock
from proxy.cli.typed.cmdlets import UsageError

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|d)\Z")
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?\Z")
_UNITS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}


def span(text: str, option: str) -> float:
    """Seconds; raises UsageError that says how to write them."""
    match = _SPAN.match(text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f'{option} "{text}" is no span of time: write 30s, 10m or 2h')
    return float(match[1]) * _UNITS[match[2]]


def instant(text: str, option: str) -> float:
    """Seconds since the epoch; a time of day is the last one that has passed.

    Raises UsageError.
    """
    text = text.strip()
    now = clock.wall()
    if _SPAN.match(text):
        return now - span(text, option)
    match = _CLOCK.match(text)
    if match is not None:
        today = datetime.fromtimestamp(now).replace(
            hour=int(match[1]), minute=int(match[2]), second=int(match[3] or 0)
        )
        then = today.replace(microsecond=0)
        if then.timestamp() > now:
            then -= timedelta(days=1)
        return then.timestamp()
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f'{option} "{text}" is no instant: write 10:40, 15m (so long ago) or '
            '"2026-11-28 10:40"'
        ) from None
