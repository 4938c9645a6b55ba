"""A node's figures: sums that never fall, extremes, and what all know alike."""

from proxy.server.workers.totals import Snapshot, Totals
from proxy.telemetry.metrics import Reading
from proxy.telemetry.tally import AccessTally


def snapshot(**values: float) -> Snapshot:
    """Of one worker."""
    tally = AccessTally()
    tally.finished["INVITE", "2xx"] = 3
    tally.buckets[2] = 3
    tally.seconds = 0.5
    readings = [Reading(f"waypost_{name}", x) for name, x in values.items()]
    return Snapshot.take(readings, tally)


def read(totals: Totals, *snapshots: Snapshot) -> dict[str, float]:
    found = totals.readings(list(snapshots))
    return {each.name.removeprefix("waypost_"): each.value for each in found}


def test_counters_and_what_is_held_add_up():
    found = read(
        Totals(),
        snapshot(responses_received_total=5, searches=2, workers=1),
        snapshot(responses_received_total=7, searches=1, workers=1),
    )
    assert found == {"responses_received_total": 12, "searches": 3, "workers": 2}


def test_the_worst_counts_and_what_all_know_is_told_once():
    found = read(
        Totals(),
        snapshot(store_up=1, table_version=9, bindings=40, learned_uris=6),
        snapshot(store_up=0, table_version=8, bindings=41, learned_uris=6),
    )
    assert found == {
        "store_up": 0,
        "table_version": 8,
        "bindings": 41,
        "learned_uris": 6,
    }


def test_what_a_dead_worker_counted_stays_and_what_it_held_does_not():
    totals = Totals()
    totals.retire(snapshot(responses_received_total=5, searches=2))
    found = read(totals, snapshot(responses_received_total=1, searches=1))
    assert found == {"responses_received_total": 6, "searches": 1}
    tally = totals.tally([snapshot()])
    assert tally.finished["INVITE", "2xx"] == 6
    assert (tally.buckets[2], tally.seconds) == (6, 1.0)


def test_a_snapshot_survives_its_journey():
    sent = snapshot(searches=2)
    sent.tally.attempts["pc.contoso.test", "2xx"] = 4
    sent.tally.failovers["pc.contoso.test"] = 1
    arrived = Snapshot.from_json(sent.to_json())
    assert arrived.readings == sent.readings
    for name in AccessTally.__slots__:
        assert getattr(arrived.tally, name) == getattr(sent.tally, name)
