"""The figures of one node, made of those of its workers.

A counter is the sum over the workers, dead ones included: monitoring would take a sum
that falls for a restart of everything (decision 62).  A gauge is a sum, an extreme, or
the value of the first worker where all workers know the same.
"""

from collections.abc import Iterable
from typing import Any, Final

from proxy.telemetry.metrics import CATALOGUE, Reading
from proxy.telemetry.tally import AccessTally

_SUMS: Final = frozenset(
    f"waypost_{name}"
    for name in (
        *("transactions", "searches", "connections", "udp_flows", "workers"),
        *("tasks_down", "held_bytes", "held_bytes_limit"),
        *("process_resident_bytes", "process_open_files"),
    )
)
_LEAST: Final = frozenset(
    f"waypost_{name}"
    for name in (
        *("ready", "store_up", "table_version", "certificate_expiry_seconds"),
        "store_writable",
        *("pool_front_ends_available", "up_seconds"),
    )
)
_MOST: Final = frozenset(
    f"waypost_{name}"
    for name in (
        *("draining", "dns_stale_seconds", "bindings", "store_away_seconds"),
        *("store_unwritable_seconds", "cutover_overdue_seconds", "guard_armed"),
        *("guard_rolled_back", "guard_calls"),
        *("restart_pending", "cutover_pending", "cutover_left_seconds"),
        *("cutover_rolled_back", "front_end_drained"),
    )
)

Key = tuple[str, tuple[str, ...]]
Counts = dict[Key, float]


class Snapshot:
    """The figures of one worker at one moment."""

    def __init__(self, readings: Counts, tally: AccessTally) -> None:
        self.readings = readings
        self.tally = tally

    @classmethod
    def take(cls, readings: Iterable[Reading], tally: AccessTally) -> "Snapshot":
        """The figures of this process."""
        return cls({(x.name, x.labels): x.value for x in readings}, tally)

    def to_json(self) -> Any:
        """In JSON's types, for the channel."""
        tally = self.tally
        return [
            [[name, labels, value] for (name, labels), value in self.readings.items()],
            [[*labels, count] for labels, count in tally.finished.items()],
            [[*labels, count] for labels, count in tally.attempts.items()],
            [[pool, count] for pool, count in tally.failovers.items()],
            tally.buckets,
            tally.seconds,
        ]

    @classmethod
    def from_json(cls, value: Any) -> "Snapshot":
        """The reverse of ``to_json``."""
        rows, finished, attempts, failovers, buckets, seconds = value
        tally = AccessTally()
        tally.finished.update({(a, b): count for a, b, count in finished})
        tally.attempts.update({(a, b): count for a, b, count in attempts})
        tally.failovers.update(dict(failovers))
        tally.buckets = list(buckets)
        tally.seconds = seconds
        return cls({(name, tuple(labels)): v for name, labels, v in rows}, tally)


class Totals:
    """Adds up the workers; ``retire`` keeps the counts of one that has died."""

    def __init__(self) -> None:
        self._retired: Counts = {}
        self._tally = AccessTally()

    def retire(self, last: Snapshot) -> None:
        """A worker has died; ``last`` is what the last scrape showed of it."""
        for key, value in last.readings.items():
            if CATALOGUE[key[0]].kind == "counter":
                self._retired[key] = self._retired.get(key, 0.0) + value
        _add(self._tally, last.tally)

    def readings(self, snapshots: list[Snapshot]) -> list[Reading]:
        """The readings of the node; figures that all workers know alike come from the
        first snapshot."""
        found: Counts = dict(self._retired)
        for snapshot in snapshots:
            for key, value in snapshot.readings.items():
                known = found.get(key)
                found[key] = value if known is None else _joined(key[0], known, value)
        return [Reading(name, value, labels) for (name, labels), value in found.items()]

    def tally(self, snapshots: list[Snapshot]) -> AccessTally:
        """The tally of the node, dead workers included."""
        total = AccessTally()
        _add(total, self._tally)
        for snapshot in snapshots:
            _add(total, snapshot.tally)
        return total


def _joined(name: str, known: float, value: float) -> float:
    if CATALOGUE[name].kind == "counter" or name in _SUMS:
        return known + value
    if name in _LEAST:
        return min(known, value)
    return max(known, value) if name in _MOST else known


def _add(total: AccessTally, more: AccessTally) -> None:
    total.finished.update(more.finished)
    total.attempts.update(more.attempts)
    total.failovers.update(more.failovers)
    total.buckets = [a + b for a, b in zip(total.buckets, more.buckets, strict=True)]
    total.seconds += more.seconds
