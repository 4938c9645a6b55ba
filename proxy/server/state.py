"""The state of the service, as HTTP, systemd and metrics show it."""

from datetime import UTC, datetime
from typing import Any, Final, Literal

from proxy import clock
from proxy.admin.cutover import AUTOMATIC
from proxy.admin.guarding import GUARD
from proxy.endpoints.guard import Tally
from proxy.endpoints.model import Cutover
from proxy.server.chat_probe.results import ChatResults
from proxy.server.store_side.store_writes import StoreWrites

Phase = Literal["starting", "ready", "draining"]


class GuardShown:
    """What the guard of the newest cutover has seen, for pages and metrics."""

    def __init__(self) -> None:
        self.cutover: Cutover | None = None
        self.tally: Tally | None = None
        self.is_armed = False

    def show(self, cutover: Cutover, tally: Tally) -> None:
        """It is armed."""
        self.cutover, self.tally, self.is_armed = cutover, tally, True

    def off(self, cutover: Cutover | None) -> None:
        """Nothing is guarded; ``cutover`` is the newest one."""
        if (
            cutover is None
            or self.cutover is None
            or cutover.number != self.cutover.number
        ):
            self.tally = None
        self.cutover, self.is_armed = cutover, False

    @property
    def has_rolled_back(self) -> bool:
        """True from a rollback by the guard to the next cutover."""
        newest = self.cutover
        return (
            newest is not None
            and newest.guard is not None
            and newest.state == "rolled-back"
            and bool(newest.reason)
        )

    def to_json(self) -> dict[str, Any] | None:
        """For ``/status``; None where no guard has anything to say."""
        if self.cutover is None or not (self.is_armed or self.has_rolled_back):
            return None
        tally = self.tally
        return {
            "cutover": self.cutover.number,
            "armed": self.is_armed,
            "seen": "" if tally is None else str(tally),
            "rolled_back": self.cutover.reason,
        }


SETTLED_FOR: Final = 86_400.0
"""Seconds for which an automatic rollback is shown."""
_ITSELF: Final = frozenset(f"{x.name} ({x.origin})" for x in (AUTOMATIC, GUARD))


def cutover_left(cutover: Cutover | None) -> float | None:
    """Seconds until the newest cutover is rolled back automatically; None when it will
    not be."""
    if cutover is None or cutover.state != "applied":
        return None
    return cutover.left(clock.wall(), clock.uptime())


def was_undone(cutover: Cutover | None) -> bool:
    """Whether the newest cutover was rolled back automatically, not long ago."""
    return (
        cutover is not None
        and cutover.state == "rolled-back"
        and cutover.settled_by in _ITSELF
        and clock.wall() - cutover.settled_at < SETTLED_FOR
    )


def cutover_to_show(cutover: Cutover | None) -> dict[str, Any] | None:
    """The newest cutover while it waits to be confirmed, for ``/status``."""
    left = cutover_left(cutover)
    if cutover is None or left is None:
        return None
    by = cutover.confirm_by
    return {
        "cutover": cutover.number,
        "plan": cutover.plan,
        "share": cutover.share,
        "applied_by": cutover.applied_by,
        "confirm_by": None if by is None else _instant(by),
        "seconds_left": round(left, 1),
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat("T", "seconds")


class ServiceState:
    """Phase, age, and whether the store answers.

    ``store_problem`` is empty while the store answers.  While it does not, requests are
    routed by the last known table, so the service stays ready.  ``store_answered_at``
    is when it last answered, in seconds since the epoch.  ``waits_for`` says why a
    start cannot go on yet.  ``serves`` names the configuration and the store, for
    pages.
    """

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self.started_at = clock.wall()
        self._began = self._answered = clock.boottime()
        self.waits_for = ""
        self.needs_restart: list[str] = []
        self.writes = StoreWrites()
        self.chat_probes = ChatResults()
        self.guard = GuardShown()
        self.users_left: dict[str, int] = {}
        self.unknown_held: tuple[int, int] | None = None
        self._problems: dict[str, str] = {}
        self._overdue_at: float | None = None
        self.serves: dict[str, str] = {}
        self.store_problem = ""
        self.store_answered_at = self.started_at

    @property
    def is_ready(self) -> bool:
        """True while new requests are welcome."""
        return self.phase == "ready"

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return clock.boottime() - self._began

    def has_read(self, digest: str) -> None:
        """The configuration was read anew (``config/digest.py``)."""
        self.serves["config_digest"] = digest

    @property
    def cutover_problem(self) -> str:
        """Why an overdue rollback could not be made; empty when none is overdue."""
        return next(filter(None, self._problems.values()), "")

    def cutover_stands(self, problem: str, who: str = "deadline") -> None:
        """Note why a cutover could not be rolled back; "" when it was, or need not be.

        ``who`` wants the rollback: the "deadline" to confirm it, or its "guard".
        """
        self._problems[who] = problem
        if not self.cutover_problem:
            self._overdue_at = None
        elif self._overdue_at is None:
            self._overdue_at = clock.boottime()

    @property
    def cutover_overdue(self) -> float:
        """Seconds since a rollback was due that could not be made."""
        began = self._overdue_at
        return 0.0 if began is None else max(0.001, clock.boottime() - began)

    @property
    def store(self) -> str:
        """The state of the store: "ok", or what does not work."""
        if self.store_problem or not self.writes.problem:
            return self.store_problem or "ok"
        return f"cannot be written since {self.unwritable_since}: {self.writes.problem}"

    @property
    def unwritable_since(self) -> str:
        """When the store began to take no changes."""
        return datetime.fromtimestamp(self.writes.since, UTC).isoformat("T", "seconds")

    def store_answers(self) -> None:
        """The store has just answered."""
        self.store_answered_at = clock.wall()
        self._answered = clock.boottime()
        self.store_problem = ""

    @property
    def store_away_for(self) -> float | None:
        """Seconds since the store last answered; None while it does."""
        if not self.store_problem:
            return None
        return max(0.0, clock.boottime() - self._answered)
