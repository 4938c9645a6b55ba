"""Instants and spans of time, as each language writes them."""

from datetime import UTC, datetime
from typing import Any, Final

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent

from proxy.console.pages.words import Words

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def iso(at: float) -> str:
    """For programs, with the zone."""
    return datetime.fromtimestamp(at).astimezone().isoformat("T", "seconds")


def instant(words: Words, at: float | None) -> str:
    """Day and time, of this machine; a dash for never."""
    if not at:
        return "–"
    then = datetime.fromtimestamp(at).astimezone()
    return format_datetime(then, "d MMM y, HH:mm:ss", locale=words.code)


def day(words: Words, number: int) -> str:
    """A day, counted from 1970 on."""
    then = datetime.fromtimestamp(number * 86_400, UTC)
    return format_date(then, "d MMM y", locale=words.code)


def ago(words: Words, seconds: float) -> str:
    """``3 minutes``, as the language says it."""
    return format_timedelta(int(max(0.0, seconds)), locale=words.code, threshold=1.2)


def span(seconds: float) -> str:
    """``1 h 20 min``: two units at most, the same in every language."""
    rest, found = int(max(0.0, seconds)), []
    for size, unit in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            found.append(f"{count} {unit}")
    return " ".join(found[:2]) or "0 s"


def number(words: Words, value: Any) -> str:
    """With the separators of the language."""
    return format_decimal(value, locale=words.code)


def percent(words: Words, share: float) -> str:
    """Of 100, with one decimal."""
    return format_percent(share / 100, "#,##0.0 %", locale=words.code)
