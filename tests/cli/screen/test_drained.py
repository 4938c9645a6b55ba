"""A drained front end, as one line for people."""

import pytest

from proxy import clock
from proxy.cli.screen.drained import drain_line, stored
from proxy.endpoints.model import Drain


@pytest.fixture(autouse=True)
def now(monkeypatch) -> float:
    monkeypatch.setattr(clock, "wall", lambda: 1_000.0)
    return 1_000.0


def test_everything_that_is_known_is_said() -> None:
    drain = Drain("fe1.test", 5060, "pool.test", "patch", "anna", 900.0, 1_600.0)
    assert drain_line(stored(drain)) == (
        "fe1.test:5060 of pool.test is drained by anna, 10 min left: patch"
    )


def test_what_is_not_said_leaves_no_trace() -> None:
    drain = Drain("2001:db8::1", drained_by="anna")
    assert (
        drain_line(stored(drain)) == "2001:db8::1 is drained by anna, until undrained"
    )


def test_a_port_stands_behind_brackets() -> None:
    assert drain_line(stored(Drain("2001:db8::1", 5060))).startswith(
        "[2001:db8::1]:5060"
    )
