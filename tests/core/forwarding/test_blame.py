"""What a pool fails inside a dialog is told, for whoever guards a cutover."""

import pytest

from tests.support.dialogs import Call
from tests.support.messages import request
from tests.support.playbook import HOSTS, POOL

THERE = f"<sip:x@{HOSTS['fe1']}>"


@pytest.fixture
def call(play):
    return Call(play, their_contact=THERE)


@pytest.mark.parametrize("status", [500, 503, 504, 408, 481])
def test_a_pool_that_fails_is_to_blame(call, status):
    assert call.up("INFO").startswith("fe1 < INFO")
    call.play.answer("fe1", status, to_tag=None)
    seen = 500 if status == 503 else status
    call.play.sees(f"client < {seen}", f"blame {POOL} {seen}")


@pytest.mark.parametrize("status", [200, 202, 403, 404, 415, 487, 501, 505, 513])
def test_a_pool_that_answers_is_not(call, status):
    assert call.up("INFO").startswith("fe1 < INFO")
    call.play.answer("fe1", status, to_tag=None)
    call.play.sees(f"client < {status}")


def test_both_ends_may_have_hung_up(call):
    assert call.up("BYE").startswith("fe1 < BYE")
    call.play.answer("fe1", 481, to_tag=None)
    call.play.sees("client < 481")


def test_silence_is_to_blame_too(call):
    play = call.play
    assert call.up("INFO").startswith("fe1 < INFO")
    play.advance(0.4)
    for _ in range(40):
        play._script.clear()
        play.advance(0.5)
        if any("blame" in line for line in play._script):
            break
    assert any(f"blame {POOL}" in line for line in play._script)
    play._script.clear()


def test_a_client_that_fails_is_nobodys_pool(call):
    assert call.down("INFO").startswith("client < INFO")
    call.play.answer("client", 500, to_tag=None)
    call.play.sees("fe1 < 500")


def test_a_call_of_no_endpoint_is_no_guards_business_and_counts_all_the_same(play):
    call = Call(play, uri=f"sip:x@{POOL}", their_contact=THERE)
    assert call.up("INFO").startswith("fe1 < INFO")
    play.answer("fe1", 500, to_tag=None)
    play.sees("client < 500", f"blame {POOL} 500 of no endpoint")


def test_outside_dialogs_the_access_line_tells(play):
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 500)
    play.sees("fe1 < ACK", "client < 500")
    assert play.access[-1].status == 500
