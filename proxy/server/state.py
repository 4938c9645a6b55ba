"""The state of the service, as HTTP, systemd and metrics show it."""

from datetime import UTC, datetime
from typing import Literal

from proxy import clock
from proxy.server.store_side.store_writes import StoreWrites

Phase = Literal["starting", "ready", "draining"]


class ServiceState:
    """Phase, age, and whether the store answers.

    ``store_problem`` is empty while it does; requests go on by the last known table
    meanwhile, so the service stays ready.  ``store_answered_at`` is when it last did,
    seconds since the epoch.  ``waits_for`` says why a start cannot go on yet;
    ``serves`` is the configuration and the store, as pages show them.
    """

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self.started_at = clock.wall()
        self._began = self._answered = clock.boottime()
        self.waits_for = ""
        self.needs_restart: list[str] = []
        self.writes = StoreWrites()
        self.cutover_problem = ""
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

    def cutover_stands(self, problem: str) -> None:
        """A cutover should have been rolled back, and could not be; "" when it is."""
        self.cutover_problem = problem
        if not problem:
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
        """What there is to say of the store: "ok", or what does not work."""
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
