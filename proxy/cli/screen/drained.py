"""A front end without new dialogs, as one line of ``status`` and ``pool show``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from proxy import clock
from proxy.admin.as_json import iso
from proxy.cli.screen import render
from proxy.endpoints.model import Drain
from proxy.sip.host import host_port


def drain_line(drain: Mapping[str, Any]) -> str:
    """One drained front end, for people."""
    host, port = drain["front_end"], drain["port"]
    where = host_port(host, port) if port else host
    where += f" of {drain['pool']}" if drain["pool"] else ""
    until = drain["until"]
    left = datetime.fromisoformat(until).timestamp() - clock.wall() if until else 0.0
    ends = f"{render.duration(left)} left" if until else "until undrained"
    why = f": {drain['reason']}" if drain["reason"] else ""
    return f"{where} is drained by {drain['by']}, {ends}{why}"


def stored(drain: Drain) -> dict[str, Any]:
    """A row of the store in the form of ``/status``."""
    return {
        "front_end": drain.front_end,
        "port": drain.port,
        "pool": drain.pool,
        "reason": drain.reason,
        "by": drain.drained_by,
        "until": iso(drain.ends_at) if drain.ends_at else None,
    }
