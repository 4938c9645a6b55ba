"""When a caller had its first answer: what pools are compared by."""

import pytest

from tests.support.messages import request

INVITE = request()


def begin(play) -> None:
    play.send("client", INVITE)
    play.sees("client < 100", "fe1 < INVITE sip:ocschat@pcpool.contoso.test")


def times(play) -> tuple[float, float]:
    (entry,) = play.access
    return pytest.approx(entry.answered), pytest.approx(entry.seconds)


def test_ringing_is_the_first_answer_and_100_is_none(play):
    begin(play)
    play.answer("fe1", 100)
    play.sees()
    play.advance_quietly(0.3)
    play.answer("fe1", 183)
    play.advance_quietly(0.2)
    play.answer("fe1", 180)
    play.advance_quietly(5.0)
    play.answer("fe1", 200)
    play.sees("client < 200")
    assert times(play) == (0.3, 5.5)


@pytest.mark.parametrize("status", [200, 486])
def test_without_ringing_the_final_answer_is_the_first(play, status):
    begin(play)
    play.advance_quietly(0.3)
    play.answer("fe1", status)
    play.advance_quietly(0.1)
    assert times(play) == (0.3, 0.3)


def test_what_a_front_end_said_before_the_next_one_was_asked_counts(play):
    begin(play)
    play.answer("fe1", 180)
    play.advance_quietly(1.0)
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    assert times(play) == (0.0, 1.0)


def test_an_error_of_our_own_is_a_first_answer_too(play):
    begin(play)
    play.advance_quietly(12.0)
    assert times(play) == (12.0, 12.0)
    (entry,) = play.access
    assert entry.status == 504


def test_a_ringing_call_that_hangs_up_was_answered_when_it_rang(play):
    begin(play)
    play.answer("fe1", 180)
    play.advance_quietly(3.0)
    play.send("client", request("CANCEL sip:ocschat@contoso.test"))
    play.sees("client < 200", "fe1 < CANCEL")
    play.answer("fe1", 487)
    play.sees("fe1 < ACK", "client < 487")
    assert times(play) == (0.0, 3.0)
