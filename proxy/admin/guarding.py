"""A guarded cutover: rolled back by the service, and what its guard has seen so far."""

from dataclasses import dataclass
from typing import Any, Literal

from proxy import clock
from proxy.endpoints.guard import Tally, is_guarded
from proxy.endpoints.model import Cutover, Uptime
from proxy.endpoints.retreat import roll_back_guarded
from proxy.store.actor import Actor
from proxy.store.interface import Store

GUARD = Actor("waypost", "guard")
GuardState = Literal["armed", "over", "rolled back", "disarmed"]


@dataclass(frozen=True, slots=True)
class GuardView:
    """What a guard has counted; ``seconds_left`` until it goes off duty, 0 when it has.

    ``state`` is ``over`` when its time has passed, ``disarmed`` when the cutover was
    settled by somebody else before.
    """

    state: GuardState
    seconds_left: float
    tally: Tally

    @classmethod
    def of(
        cls, cutover: Cutover, counts: dict[str, int], now: float, uptime: Uptime
    ) -> "GuardView | None":
        """None for a cutover without a guard."""
        if cutover.guard is None:
            return None
        tally = Tally.of(counts)
        if is_guarded(cutover, now, uptime):
            return cls("armed", cutover.guard.left(now, uptime), tally)
        if cutover.state == "rolled-back" and cutover.reason:
            return cls("rolled back", 0.0, tally)
        is_over = cutover.state == "applied"
        return cls("over" if is_over else "disarmed", 0.0, tally)

    def to_json(self, cutover: Cutover) -> dict[str, Any]:
        """With what the guard was told."""
        guard = cutover.guard
        assert guard is not None
        return {
            "state": self.state,
            "limit_percent": guard.limit,
            "min": guard.least,
            "probe": guard.probes,
            "until": guard.until,
            "seconds_left": round(self.seconds_left, 1),
            "calls": self.tally.calls,
            "served": self.tally.served,
            "failed": self.tally.failed,
            "refused": self.tally.refused,
            "bad_percent": round(self.tally.share, 2),
            "causes": dict(self.tally.causes),
            "probe_rounds": {
                pool: {"tried": tried, "nothing_to_try": without}
                for pool, (tried, without) in self.tally.rounds.items()
            },
        }


async def roll_back_for(store: Store, number: int, reason: str) -> Cutover | None:
    """Roll cutover ``number`` back; None when it no longer stands."""
    by = f"{GUARD.name} ({GUARD.origin})"
    now = clock.wall()
    decide = roll_back_guarded(number, reason, by, now)
    changes = await store.change(GUARD, "cutover.rollback", decide, now)
    for change in changes:
        if isinstance(change.after, Cutover):
            return change.after
    return None
