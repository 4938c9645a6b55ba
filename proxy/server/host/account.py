"""The account that the service runs as: an attacker who takes over a proxy has its
rights."""

import os

import structlog

log = structlog.get_logger()

_ADVICE = (
    "run it as an account of its own (config/systemd has one; ports below 1024 need "
    "AmbientCapabilities=CAP_NET_BIND_SERVICE and no root)"
)


def object_to_root() -> None:
    """Say so when we are root.  Not more: a container may have no other account."""
    if os.geteuid() == 0:
        log.warning("service.as_root", advice=_ADVICE)
