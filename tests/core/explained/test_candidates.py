"""The order of front ends when nobody answers, and how long each may stay silent."""

from proxy.core.explained.candidates import in_turn
from proxy.pools.front_end import FrontEnd
from proxy.pools.health import HealthBook
from tests.core.explained.test_explanation import ask

ENDS = [FrontEnd("udp", f"10.0.0.{n}", 5060) for n in range(4)]


def test_the_first_stays_and_the_ejected_wait():
    health = HealthBook()
    for end in (ENDS[0], ENDS[1]):
        for at in (1.0, 2.0, 3.0):
            health.record_failure(end.address_key, "refused", at)
    found = in_turn(ENDS, health, 4.0)
    assert found == [ENDS[0], ENDS[2], ENDS[3], ENDS[1]]
    assert in_turn(ENDS, health, 1000.0) == ENDS and in_turn([], health, 4.0) == []


def test_the_last_one_has_the_rest_of_the_budget(play):
    first, last = ask(play).ways[0].candidates
    assert first.patience == play.core.settings.attempts.first_answer
    assert last.patience is None
