"""Serving as root is objected to."""

import os

from structlog.testing import capture_logs

from proxy.server.host.account import object_to_root


def test_root_is_told_what_to_do_instead_and_nobody_else():
    with capture_logs() as logs:
        object_to_root()
    assert [line["event"] for line in logs] == ["service.as_root"] * (os.geteuid() == 0)
    assert all("AmbientCapabilities" in line["advice"] for line in logs)
