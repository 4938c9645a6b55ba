"""News of no request: the clock, what expired, health that others tell of."""

from dataclasses import replace

import pytest

from proxy.core import commands, events
from proxy.core.settings import Attempts
from proxy.pools.health import FAILURES_TO_EJECT, SILENT, Ejection
from tests.support.playbook import HOSTS, Playbook
from tests.support.registry import ALICE, Registry

KEY = ("udp", HOSTS["fe1"], 5060, "")
NOW = 1000.0


@pytest.fixture
def core():
    return Playbook().core


def told(out):
    return [x.ejection for x in out if isinstance(x, commands.TellEjection)]


def test_failed_probes_count_like_failed_calls_and_the_siblings_hear_of_it(core):
    for second in range(FAILURES_TO_EJECT - 1):
        assert core.handle(events.ProbeFailed(KEY, "refused"), NOW + second) == []
    out = core.handle(events.ProbeFailed(KEY, "refused"), NOW + 5)
    (news,) = told(out)
    assert (news.key, news.at, news.reason) == (KEY, NOW + 5, "refused")
    assert core.health.is_ejected(KEY, NOW + 6)


def test_probes_prolong_an_ejection_and_end_it(core):
    core.handle(events.EjectionTold(Ejection(KEY, NOW, NOW + 10, 1, SILENT)), NOW)
    out = core.handle(events.EjectionProlonged(KEY, "silent", NOW + 60), NOW + 1)
    assert [x.until for x in told(out)] == [NOW + 60]
    assert core.health.is_ejected(KEY, NOW + 50)
    out = core.handle(events.EjectionEnded(KEY, "answers again"), NOW + 51)
    assert [x.until for x in told(out)] == [NOW + 51]
    assert not core.health.is_ejected(KEY, NOW + 51)


def test_what_a_sibling_tells_is_not_told_on(core):
    news = events.EjectionTold(Ejection(KEY, NOW, NOW + 10, 1, SILENT))
    assert core.handle(news, NOW) == []
    assert core.health.is_ejected(KEY, NOW + 9)


def test_a_clock_that_is_set_moves_what_is_registered():
    registry = Registry()
    registry.register("<sip:alice@10.1.0.9:40000>;expires=600")
    aor = ALICE.removeprefix("sip:")
    (before,) = registry.core.location.live(aor, registry.now)
    offset = registry.core.location.wall_offset + 7200
    out = registry.core.handle(events.ClockRead(offset, 7200.0), registry.now)
    (moved,) = [x for x in out if isinstance(x, commands.MoveBindings)]
    assert moved.changes[0].after.expires_at == before.expires_at + 7200
    assert registry.core.location.wall_offset == offset


def test_a_clock_that_drifts_moves_nothing():
    registry = Registry()
    registry.register("<sip:alice@10.1.0.9:40000>")
    offset = registry.core.location.wall_offset + 0.25
    assert registry.core.handle(events.ClockRead(offset), registry.now) == []
    assert registry.core.location.wall_offset == offset


def test_what_has_expired_is_freed_when_it_is_time():
    registry = Registry()
    registry.register("<sip:alice@10.1.0.9:40000>;expires=60")
    assert len(registry.core.location) == 1
    registry.core.handle(events.SweepDue(), registry.now + 61)
    assert len(registry.core.location) == 0


def test_a_reload_changes_budgets_and_leaves_the_keys_alone(core):
    core.handle(events.KeysChanged((b"new", b"key")), NOW)
    fresh = replace(core.settings, attempts=Attempts(connect=1.0), keys=(b"stale",))
    core.handle(events.SettingsChanged(fresh), NOW)
    assert core.settings.attempts.connect == core.way_back.timeout == 1.0
    assert core.settings.keys == (b"new", b"key")
