"""Who is alive, by signs whose clocks cannot be trusted."""

from proxy.server.store_side.nodes import GONE_AFTER, Watch
from proxy.store.nodes import NodeRecord

WALL = 1_700_000_000.0


def test_a_node_lives_as_long_as_its_sign_changes():
    watch = Watch()
    for second in range(10):
        sign = NodeRecord(1, "sip:a", WALL + second)
        assert watch.alive([sign], WALL + second, 100.0 + second) == {1: "sip:a"}
    last = NodeRecord(1, "sip:a", WALL + 9)
    assert watch.alive([last], WALL + 11, 109.0 + GONE_AFTER - 0.1)
    assert not watch.alive([last], WALL + 30, 109.0 + GONE_AFTER)


def test_a_clock_that_is_an_hour_behind_is_no_death():
    watch = Watch()
    watch.alive([NodeRecord(1, "sip:a", WALL - 3600)], WALL, 100.0)
    assert watch.alive([NodeRecord(1, "sip:a", WALL - 3599)], WALL + 1, 101.0)


def test_at_first_sight_an_old_sign_is_that_of_a_dead_node():
    assert not Watch().alive([NodeRecord(1, "sip:a", WALL - 60)], WALL, 100.0)


def test_a_goodbye_counts_at_once():
    watch = Watch()
    watch.alive([NodeRecord(1, "sip:a", WALL)], WALL, 100.0)
    assert not watch.alive([NodeRecord(1, "sip:a", 0.0)], WALL + 1, 101.0)
