"""Where the service stands, on a clock that a test moves."""

import pytest

from proxy.server import state as module
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError


@pytest.fixture
def clock(monkeypatch):
    now = [500.0]
    monkeypatch.setattr(module.clock, "boottime", lambda: now[0])
    monkeypatch.setattr(module.clock, "wall", lambda: 1_700_000_000.0 + now[0])
    return now


def test_only_a_ready_service_wants_new_requests(clock):
    state = ServiceState()
    found = {}
    for phase in ("starting", "ready", "draining"):
        state.phase = phase
        found[phase] = state.is_ready
    assert found == {"starting": False, "ready": True, "draining": False}
    clock[0] += 7.0
    assert state.age == 7.0


def test_a_store_that_is_away_is_told_with_its_reason_and_since_when(clock):
    state = ServiceState()
    assert (state.store, state.store_away_for) == ("ok", None)
    state.store_problem = "connection refused"
    clock[0] += 5.0
    assert (state.store, state.store_away_for) == ("connection refused", 5.0)
    state.store_answers()
    assert (state.store, state.store_away_for) == ("ok", None)
    assert state.store_answered_at == 1_700_000_505.0


def test_a_store_that_cannot_be_written_says_so_while_it_can_be_read(clock):
    state = ServiceState()
    state.writes.failed(StoreError("the disk is full"))
    assert state.store.startswith("cannot be written since 2023-11-14T")
    assert state.store.endswith("the disk is full")
    state.store_problem = "away"
    assert state.store == "away", "the worse of both"


def test_a_rollback_that_is_overdue_counts_from_when_it_was_first_seen(clock):
    state = ServiceState()
    assert state.cutover_overdue == 0.0
    state.cutover_stands("the store is away")
    assert state.cutover_overdue > 0.0, "even at the same instant"
    clock[0] += 3.0
    state.cutover_stands("the store is away")
    assert state.cutover_overdue == 3.0
    state.cutover_stands("")
    assert (state.cutover_overdue, state.cutover_problem) == (0.0, "")
