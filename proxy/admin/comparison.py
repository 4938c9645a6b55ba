"""Two pools of an endpoint side by side: how calls went, and what to make of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from proxy.endpoints.model import Cutover, Endpoint
from proxy.endpoints.pool_usage import DAY, PoolUsage, total
from proxy.endpoints.verdict import TEST, Outcomes, judge, sentence
from proxy.store.interface import Store

BEFORE_DAYS: Final = 14
"""Days before a cutover whose calls count where the old pool has no users since."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Both pools of one endpoint; ``note`` says which calls count."""

    address: str
    old: PoolUsage
    new: PoolUsage
    note: str = ""

    @property
    def sentence(self) -> str:
        """``old 0.4 % of 212, new 0.0 % of 23: too few to tell``."""
        return sentence(self._old, self._new)

    @property
    def verdict(self) -> str:
        """``worse``, ``no worse`` or ``too few``."""
        return judge(self._old, self._new)

    @property
    def test(self) -> str:
        """The test by which that is said."""
        return TEST

    @property
    def _old(self) -> Outcomes:
        return Outcomes(self.old.failed, self.old.calls)

    @property
    def _new(self) -> Outcomes:
        return Outcomes(self.new.failed, self.new.calls)


async def compare_cutover(store: Store, cutover: Cutover) -> list[Compared]:
    """Old and new pool of each endpoint that a cutover switched, since it was applied.

    Where all users were switched the old pool has no calls any more, or a few that were
    on their way: then those of the days before count.
    """
    rows = await store.pool_usage()
    found = []
    for switch in cutover.switches:
        if switch.before is None:
            continue
        old, new = switch.before.pool_fqdn, _new_pool(switch.after)
        if old == new:
            continue
        mine = [x for x in rows if x.endpoint_key == switch.after.key]
        since = [x for x in mine if x.cutover == cutover.number]
        before, note = total(since, old), ""
        if _is_for_all(switch.after) or not before.calls:
            first = int(cutover.applied_at // DAY) - BEFORE_DAYS
            earlier = [
                x for x in mine if x.cutover != cutover.number and x.day >= first
            ]
            before = total(earlier, old)
            note = f"the old pool's calls of the {BEFORE_DAYS} days before"
        address = switch.after.sip_address
        found.append(Compared(address, before, total(since, new), note))
    return found


def _new_pool(endpoint: Endpoint) -> str:
    canary = endpoint.canary
    return endpoint.pool_fqdn if canary is None else canary.pool_fqdn


def _is_for_all(endpoint: Endpoint) -> bool:
    """Nobody is left at the old pool."""
    return endpoint.canary is None or endpoint.canary.percent >= 100


def by_pool(rows: Sequence[PoolUsage]) -> list[PoolUsage]:
    """One row for each pool, the one with the most calls first."""
    pools = dict.fromkeys(x.pool_fqdn for x in rows)
    return sorted((total(rows, pool) for pool in pools), key=lambda x: -x.calls)


def usage_to_json(usage: PoolUsage) -> dict[str, Any]:
    """One pool with ``--json``; times in seconds."""
    return {
        "pool_fqdn": usage.pool_fqdn,
        "calls": usage.calls,
        "failed": usage.failed,
        "journeys": usage.journeys,
        "p50_seconds": _finite(usage.quantile(0.5)),
        "p99_seconds": _finite(usage.quantile(0.99)),
    }


def _finite(seconds: float | None) -> float | None:
    """Beyond the last bound it is longer than a call can take."""
    return None if seconds in (None, float("inf")) else seconds


def compared_to_json(found: Iterable[Compared]) -> list[dict[str, Any]]:
    """The comparison with ``--json``."""
    return [
        {
            "sip_address": each.address,
            "old": usage_to_json(each.old),
            "new": usage_to_json(each.new),
            "note": each.note,
            "verdict": each.verdict,
            "sentence": each.sentence,
            "test": each.test,
        }
        for each in found
    ]
