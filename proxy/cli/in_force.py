"""Whether a running proxy has taken a change over: asked of its admin listener."""

import time
from typing import Final

from proxy.admin import client
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
