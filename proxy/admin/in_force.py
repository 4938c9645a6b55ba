"""Whether a running proxy has taken a change over: asked of its admin listener."""

import time
from dataclasses import dataclass
from typing import Any, Final

from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.admin.observed.asking import ask_each
from proxy.config import Config
from proxy.endpoints.model import Guard

PATIENCE: Final = 2.0
"""Seconds; a proxy looks at the store four times in each."""
PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class InForce:
    """Which nodes route by a version of the table or a newer one.

    ``verdict`` is None when no proxy answers, else that of all that do; ``behind`` and
    ``silent`` name nodes where there are several.
    """

    verdict: bool | None
    nodes: int = 1
    behind: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The same for people."""
        without = f"; {', '.join(self.silent)} did not answer" if self.silent else ""
        match self.verdict:
            case True if self.nodes > 1:
                count = self.nodes - len(self.silent)
                return f"in force: {count} of {self.nodes} nodes route by it{without}"
            case True:
                return "in force: the running proxy routes by it"
            case False:
                at = f" at {', '.join(self.behind)}" if self.nodes > 1 else ""
                return (
                    f'NOT in force yet{at}: look at "waypost status" and the '
                    f"proxy's log{without}"
                )
            case None:
                return (
                    "no proxy answers here; a running one takes it over within a second"
                )


def is_in_force(config: Config, version: int) -> bool | None:
    """True when all nodes that answer route by this version, None when none answers."""
    return in_force(config, version).verdict


def in_force(config: Config, version: int) -> InForce:
    """Ask every node whether it routes by this version, until all do."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            told = ask_each(config, "/status", {})
            behind = tuple(
                x.node
                for x in told
                if not x.problem and x.value["table_version"] < version
            )
        except (client.AdminError, KeyError, TypeError, ValueError):
            return InForce(None)
        if not behind or time.monotonic() > end:
            silent = tuple(x.node for x in told if x.problem)
            return InForce(not behind, len(told), behind, silent)
        time.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class Keeper:
    """The service that keeps the promise to roll back.

    ``problem`` says why nobody would keep it, or why that cannot be known
    (``is_unknown``: no service answers here); ``note`` that a command does it as well.
    """

    problem: str = ""
    note: str = ""
    is_unknown: bool = False

    @property
    def is_there(self) -> bool | None:
        """Whether a service keeps it; None when none answers."""
        return None if self.is_unknown else not self.problem

    def refuse_unless(self, force: bool) -> None:
        """Refuse a promise that nothing would keep; raises ControlError."""
        if self.problem and not force:
            raise ControlError(f"{self.problem}; --force goes on without")


def rollback_keeper(config: Config, guard: Guard | None = None) -> Keeper:
    """Whether a running service would carry an automatic rollback out.

    With a ``guard`` it has to judge that as well, which no command does.
    """
    try:
        told = ask_each(config, "/status", {})
    except (client.AdminError, ValueError) as error:
        if guard is not None:
            return Keeper(f"no command judges a guard, and {error}", is_unknown=True)
        return Keeper(
            note="no service runs here to make it by itself: the next command does, "
            "or a service that is started",
            is_unknown=True,
        )
    reasons = [
        _why_not(config, each.value, guard is not None)
        for each in told
        if not each.problem
    ]
    return Keeper("" if "" in reasons else reasons[0])  # one node that does is enough


def _why_not(config: Config, found: dict[str, Any], guards: bool) -> str:
    """Why the service that says this of itself would not roll back; "" when it would.

    Whatever ``waypost doctor`` finds beside is no reason: it follows the store.
    """
    if found.get("store_writable") is False or found.get("store_away_since"):
        return (
            f"the service that should roll back could not: its store {found['store']}"
        )
    place, its_place = config.effective()["store"]["url"], found.get("store_url")
    if its_place != place:
        return (
            f"the service that answers here serves {its_place or 'an unknown store'}, "
            f"and this configuration has {place}: nobody would roll back"
        )
    phase = found.get("phase")
    if phase == "starting":
        reason = found.get("waits_for") or "it is starting"
        return f"the service that should roll back has not started: {reason}"
    if phase != "ready":
        return f"the service that should roll back is {phase}"
    wanted = ("watch-cutover", "watch-guard") if guards else ("watch-cutover",)
    down = found.get("down") or {}
    failed = [f"{name} ({down[name]})" for name in wanted if name in down]
    if failed:
        return (
            f"of the service that should roll back these are down: {', '.join(failed)}"
        )
    return ""
