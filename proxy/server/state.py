"""Where the service stands, for whoever asks: HTTP, systemd, metrics."""

from typing import Literal

from proxy import clock

Phase = Literal["starting", "ready", "draining"]


class ServiceState:
    """Phase, age, and whether the store answers.

    ``store_problem`` is empty while it does; requests go on by the last known table
    meanwhile, so the service stays ready.  ``store_answered_at`` is when it last did,
    seconds since the epoch.  ``waits_for`` says why a start cannot go on yet.
    """

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self.started_at = clock.wall()
        self._began = self._answered = clock.boottime()
        self.waits_for = ""
        self.needs_restart: list[str] = []
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
