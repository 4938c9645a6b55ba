"""Instants and spans as they are typed."""

import re
from datetime import datetime

import pytest

from proxy import clock
from proxy.cli.typed import instants
from proxy.cli.typed.cmdlets import UsageError

NOON = datetime(2026, 11, 28, 12, 0).timestamp()


@pytest.fixture(autouse=True)
def at_noon(monkeypatch):
    monkeypatch.setattr(clock, "wall", lambda: NOON)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10:40", -80 * 60),
        ("9:05", -175 * 60),
        ("12:00:00", 0),
        ("12:01", -(24 * 3600 - 60)),  # yesterday's
        ("15m", -900),
        ("90 s", -90),
        ("2h", -7200),
        ("2026-11-28 10:40", -80 * 60),
        ("2026-11-27T12:00:00", -86_400),
    ],
)
def test_an_instant(text, seconds):
    assert instants.instant(text, "--since") - NOON == seconds


@pytest.mark.parametrize("text", ["", "25:00", "yesterday", "10.40", "-5m", "0s"])
def test_what_is_none_is_said_with_what_to_write(text):
    with pytest.raises(UsageError, match=re.escape(f'--since "{text}"')):
        instants.instant(text, "--since")
