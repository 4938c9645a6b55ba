"""What a console remembers of a migration: facts dropped onto a page, and its jobs.

The plan and the ticks are in the store.  A file of facts is up to 8 MiB and old after a
day, so the newest one is kept here, for everybody who may see the whole service.
"""

from dataclasses import dataclass, field

from starlette.requests import Request

from proxy.console.pages.jobs import Jobs
from proxy.facts.model import Facts


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file of facts, who brought it and when."""

    facts: Facts
    name: str
    by: str
    at: float


@dataclass(slots=True)
class Weekend:
    """One of each console."""

    dropped: Dropped | None = None
    jobs: Jobs = field(default_factory=Jobs)

    @property
    def facts(self) -> Facts | None:
        """The newest facts."""
        return None if self.dropped is None else self.dropped.facts


def weekend_of(request: Request) -> Weekend:
    """What this console remembers."""
    found: Weekend = request.app.state.weekend
    return found
