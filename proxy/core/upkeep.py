"""Takes the news that belong to no request.

They are the reading of the wall clock, the time to drop what has expired, and what
siblings and probes have found out about front ends.
"""

from __future__ import annotations

from collections.abc import Callable

from proxy.core import commands, events
from proxy.location.binding import BindingChange
from proxy.location.service import LocationService
from proxy.pools.health import Ejection, HealthBook


class Upkeep:
    """Keeps the health of front ends and the bindings up to date.

    ``clock_set`` moves the ends of bindings when somebody has set the clock; it is None
    without a registrar.  Probes count like calls (``pools/probe_schedule.py``).  When
    either changes the health of a front end, the siblings are told.
    """

    __slots__ = ("_health", "_location", "_out", "clock_set")

    def __init__(
        self,
        health: HealthBook,
        location: LocationService,
        out: list[commands.Command],
    ) -> None:
        self._health = health
        self._location = location
        self._out = out
        self.clock_set: Callable[[float, float], list[BindingChange]] | None = None
        health.on_change = self._tell

    def handle(self, event: events.UpkeepEvent, now: float) -> None:
        """Take one of these events."""
        match event:
            case events.ClockRead():
                self._clock_read(event, now)
            case events.SweepDue():
                self._location.sweep(now)
            case events.EjectionTold():
                self._health.take_over(event.ejection)
            case events.ProbeFailed():
                self._health.record_failure(event.key, event.reason, now)
            case events.EjectionProlonged():
                self._health.prolong(event.key, event.reason, event.until, now)
            case events.EjectionEnded():
                self._health.end_ejection(event.key, event.reason, now)

    def _clock_read(self, event: events.ClockRead, now: float) -> None:
        """When somebody has set the clock, move the ends of bindings, here and in the
        store, so that the jump ends no registration (decision 45)."""
        if event.set_by and self.clock_set is not None:
            changes = self.clock_set(event.set_by, now)
            if changes:
                self._out.append(commands.MoveBindings(changes))
        self._location.wall_offset = event.offset

    def _tell(self, news: Ejection) -> None:
        self._out.append(commands.TellEjection(news))
