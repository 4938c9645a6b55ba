"""What a line of the event log has, and what is not written a second time."""

import json

import pytest

from proxy.core import events
from tests.server.event_log.test_replay import FRONT_ENDS, Run


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "events")


def lines(run: Run) -> list[dict]:
    run.event_log.close()
    return [json.loads(line) for line in run.path.read_text().splitlines()]


def test_the_head_has_all_that_a_core_is_made_of(run: Run) -> None:
    (head,) = lines(run)
    assert {"settings", "listeners", "table", "seed", "hash", "origin"} <= head.keys()
    assert head["listeners"][0][:3] == ["udp", "10.0.0.5", 5060]


def test_a_turn_is_its_input_first_and_then_what_the_core_did(run: Run) -> None:
    run.knows(FRONT_ENDS[:1])
    run.call(1)
    _, began, ended = lines(run)
    assert began["step"] == ended["step"] == 1
    assert "event" in began and "did" not in began and ended["did"]
    assert len(ended["did"]) == len(run.carrier.out)


def test_an_answer_of_dns_is_written_when_it_is_another(run: Run) -> None:
    run.knows(FRONT_ENDS[:1])
    for number in range(3):
        run.call(number)
    run.knows(FRONT_ENDS[1:2])
    run.call(9)
    written = [line for line in lines(run) if "cached" in line]
    assert [line["step"] for line in written] == [1, 4]


def test_who_is_a_friend_is_written_once(run: Run) -> None:
    run.knows(FRONT_ENDS[:1])
    run.call(1)
    run.call(2)
    written = [line["friends"] for line in lines(run) if "friends" in line]
    assert written == [[["10.0.1.1", True]]]


def test_time_that_passes_has_no_event_and_is_carried_out_all_the_same(run) -> None:
    run.knows(FRONT_ENDS[:1])
    run.call(1)
    run.writer.expire()
    run.writer.event(events.Draining())
    began = [line for line in lines(run)[1:] if "at" in line]
    assert ["event" in line for line in began] == [True, False, True]


def test_when_the_file_is_closed_calls_go_on(run: Run) -> None:
    run.knows(FRONT_ENDS[:1])
    run.call(1)
    before = lines(run)
    run.call(2)
    assert len(run.path.read_text().splitlines()) == len(before)
    assert len(run.carrier.out) > 2
