"""Instants and spans as they are typed."""

from datetime import datetime, timedelta

import pytest

from proxy.cli.typed import instants
from proxy.cli.typed.cmdlets import UsageError
from proxy.cli.typed.instants import end, instant, span

NOW = datetime(2026, 11, 28, 10, 40, 30).timestamp()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(instants.clock, "wall", lambda: NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("10m", 600.0),
        ("10 min", 600.0),
        ("1.5h", 5400.0),
        (" 2d ", 172_800.0),
    ],
)
def test_a_span_is_a_number_and_a_unit(text, seconds):
    assert span(text, "--window") == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0m", "-5m", "5w", "5m later"])
def test_what_is_no_span_says_how_to_write_one(text):
    with pytest.raises(UsageError, match="write 30s, 10m or 2h"):
        span(text, "--window")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("15m", datetime(2026, 11, 28, 10, 25, 30)),
        ("10:40", datetime(2026, 11, 28, 10, 40)),
        ("10:40:30", datetime(2026, 11, 28, 10, 40, 30)),
        ("10:41", datetime(2026, 11, 27, 10, 41)),
        ("9:05", datetime(2026, 11, 28, 9, 5)),
        ("2026-11-28 08:00", datetime(2026, 11, 28, 8)),
        ("2026-11-20", datetime(2026, 11, 20)),
    ],
)
def test_an_instant_is_a_span_ago_a_time_of_day_or_a_date(text, at):
    assert instant(text, "--since") == at.timestamp()


@pytest.mark.parametrize("text", ["", "25:00", "10:60", "yesterday", "28.11.2026"])
def test_what_is_no_instant_says_how_to_write_one(text):
    with pytest.raises(UsageError, match=r"--since .* is no instant: write 10:40"):
        instant(text, "--since")


def test_the_end_of_a_stretch_comes_after_its_begin():
    now = datetime.fromtimestamp(NOW)
    later = (now + timedelta(hours=2)).replace(second=0, microsecond=0)
    if later.date() == now.date():
        assert end(f"{later:%H:%M}", "--until", None) == later.timestamp()
    for begin in (now - timedelta(hours=30), now - timedelta(minutes=5)):
        found = end(f"{later:%H:%M}", "--until", begin.timestamp())
        assert begin.timestamp() <= found < begin.timestamp() + 86_400
        assert f"{datetime.fromtimestamp(found):%H:%M}" == f"{later:%H:%M}"
    assert end("15m", "--until", None) == NOW - 900
