"""The account that the service runs as: an attacker who takes the proxy over gets the
rights of this account."""

import os

import structlog

log = structlog.get_logger()

_ADVICE = (
    "run it as an account of its own (config/systemd has one; ports below 1024 need "
    "AmbientCapabilities=CAP_NET_BIND_SERVICE and no root)"
)


def object_to_root() -> None:
    """Warn when we are root, but serve: a container may have no other account (decision
    97)."""
    if os.geteuid() == 0:
        log.warning("service.as_root", advice=_ADVICE)
