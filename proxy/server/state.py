"""Where the service stands, for whoever asks: HTTP, systemd, metrics."""

from typing import Literal

from proxy import clock

Phase = Literal["starting", "ready", "draining"]


class ServiceState:
    """Phase, age, and whether the store answers.

    ``store_problem`` is empty while it does; requests go on by the last known table
    meanwhile, so the service stays ready.
    """

    def __init__(self) -> None:
        self.phase: Phase = "starting"
        self.started_at = clock.wall()
        self.store_problem = ""

    @property
    def is_ready(self) -> bool:
        """True while new requests are welcome."""
        return self.phase == "ready"

    @property
    def age(self) -> float:
        """Seconds since the start."""
        return clock.wall() - self.started_at
