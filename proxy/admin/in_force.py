"""Whether a running proxy has taken a change over: asked of its admin listener."""

import time
from dataclasses import dataclass
from typing import Final

from proxy.admin.control import ControlError
from proxy.admin.listener import client
from proxy.config import Config

PATIENCE: Final = 2.0
"""Seconds; a proxy looks at the store four times in each."""
PAUSE: Final = 0.05


def is_in_force(config: Config, version: int) -> bool | None:
    """True when the proxy routes by this version of the table or a newer one.

    None when no proxy answers here.
    """
    end = time.monotonic() + PATIENCE
    try:
        while client.call_json(config, "GET", "/status")["table_version"] < version:
            if time.monotonic() > end:
                return False
            time.sleep(PAUSE)
    except (client.AdminError, KeyError, TypeError, ValueError):
        return None
    return True


def sentence(in_force: bool | None) -> str:
    """The same for people."""
    match in_force:
        case True:
            return "in force: the running proxy routes by it"
        case False:
            return 'NOT in force yet: look at "waypost status" and the proxy\'s log'
        case None:
            return "no proxy answers here; a running one takes it over within a second"


@dataclass(frozen=True, slots=True)
class Keeper:
    """The service that keeps the promise to roll back.

    ``problem`` says why a running service could not; ``note`` that there is none.
    """

    problem: str = ""
    note: str = ""

    def refuse_unless(self, force: bool) -> None:
        """Refuse a promise that nothing would keep; raises ControlError."""
        if self.problem and not force:
            raise ControlError(f"{self.problem}; --force goes on without")


def rollback_keeper(config: Config) -> Keeper:
    """Whether a running service would carry an automatic rollback out."""
    try:
        found = client.call_json(config, "GET", "/status")
    except (client.AdminError, ValueError):
        return Keeper(
            note="no service runs here to make it by itself: the next command does, "
            "or a service that is started"
        )
    if found.get("phase") == "starting":
        reason = found.get("waits_for") or "it is starting"
        return Keeper(f"the service that should roll back has not started: {reason}")
    if found.get("store_writable") is False or found.get("store_away_since"):
        return Keeper(
            f"the service that should roll back could not: its store {found['store']}"
        )
    return Keeper()
