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


def end(text: str, option: str, since: float | None) -> float:
    """The same for the end of a stretch: a time of day is the first one after its
    begin, without a begin today's, though it may be to come."""
    match = _CLOCK.match(text.strip())
    if match is None:
        return instant(text, option)
    begin = clock.wall() if since is None else since
    then = _at(begin, match)
    if since is not None and then.timestamp() < since:
        then += timedelta(days=1)
    return then.timestamp()


def _at(day: float, found: "re.Match[str]") -> datetime:
    """A time of day on the day of an instant."""
    return datetime.fromtimestamp(day).replace(
        hour=int(found[1]),
        minute=int(found[2]),
        second=int(found[3] or 0),
        microsecond=0,
    )


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
        then = _at(now, match)
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
