"""While more comes in than is served: who waits, who overtakes, who is refused."""

import re

import pytest

from proxy.core import events
from proxy.core.answers.fair_queue import MOST_OF_ONE
from proxy.core.answers.overload import (
    AT_ONCE,
    EMPTYING,
    LATE,
    PACE,
    PATIENCE,
    SLICE_BEHIND,
)
from tests.support.messages import ALIAS, line_of, request
from tests.support.playbook import DOMAIN
from tests.support.registry import Registry

DIALOG = f"<{ALIAS}>;tag=pool-1"


@pytest.fixture
def play():
    play = Registry()
    yield play
    play.finish()


def overload(play, is_on=True):
    """Told by the shell; those that need not wait have been there already."""
    play._handle(events.Overload(is_on))
    play.core.overload._since, play.core.overload._at_once = play.now, 0


def test_a_new_dialog_is_taken_and_waits(play):
    overload(play)
    invite = play.send("client", request())
    play.send("client", invite)  # a retransmission
    play.sees()
    overload(play, False)
    play.advance(2 * PACE)
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 200)
    play.sees("client < 200")
    assert (play.core.overload.postponed, play.core.overload.refused) == (1, 0)


def test_none_goes_on_before_the_socket_had_time_to_be_emptied_and_then_few(play):
    overload(play)
    for number in range(10):
        play.send("client", request(branch=f"z9hG4bK-{number}", call_id=str(number)))
    play.advance(EMPTYING - 2 * PACE)
    play.sees()
    assert len(play.core.overload.waiting) == 10
    play.now += 4 * PACE
    play.core.overload.timer_fired("postponed", play.now)
    assert len(play.core.overload.waiting) == 10 - SLICE_BEHIND
    overload(play, False)
    play.core.overload.timer_fired("postponed", play.now)
    assert not len(play.core.overload.waiting) and not play.core.overload.is_busy
    play.core.take_commands()
    play.advance_quietly(400.0)


def test_as_long_as_some_wait_those_that_come_later_wait_behind_them(play):
    overload(play)
    play.send("client", request())
    overload(play, False)
    play.send("client", request(branch="z9hG4bK-2", call_id="2"))
    play.sees()
    play.advance(PACE)
    play.sees("client < 100", "fe1 < INVITE", "client < 100", "fe1 < INVITE")
    play._script.clear()
    play.advance_quietly(400.0)


def test_who_would_wait_too_long_is_told_when_to_come_back(play):
    flow, told = play.flow("client"), set()
    play.advance_quietly(PATIENCE)
    overload(play)
    # The first one came a while ago; it goes so slowly.
    source = play.core.budget.account(flow)
    play.core.overload.waiting.put(source, flow, b"OPTIONS", play.now - PATIENCE)
    for number in range(40):
        play.send("client", request(branch=f"z9hG4bK-{number}", call_id=str(number)))
        play.sees("client < 503")
        line = line_of(play.last("client"), "Retry-After")
        told.add(int(re.search(rb"\d+", line)[0]))
    assert len(told) > 5 and min(told) >= 5 and max(told) <= 60
    assert play.core.overload.refused == 40
    assert len(play.core.transactions) == 0
    play.core.overload.waiting.take()


def test_one_source_has_a_limit_in_bytes_and_others_their_own(play):
    overload(play)
    large = "X-Large: " + "x" * 7_000
    for number in range(700):
        branch = f"z9hG4bK-{number}"
        more = {"branch": branch, "call_id": str(number)}
        play.send("client", request(f"INVITE {ALIAS}", large, **more))
        play._script.clear()
    assert play.core.overload.waiting.held < MOST_OF_ONE + 10_000
    refused = play.core.overload.refused
    assert refused > 50
    play.send("fe2", request(branch="z9hG4bK-other", call_id="other"))
    assert play.core.overload.refused == refused
    while len(play.core.overload.waiting):
        play.core.overload.waiting.take()


def test_a_quiet_source_need_not_wait_while_another_floods(play):
    overload(play)
    for number in range(50):
        play.send("client", request(branch=f"z9hG4bK-{number}", call_id=str(number)))
    play.core.overload._at_once = AT_ONCE
    play.send("fe2", request(branch="z9hG4bK-quiet", call_id="quiet"))
    play.sees("fe2 < 100", "fe1 < INVITE")
    play.send("client", request(branch="z9hG4bK-more", call_id="more"))
    play.sees()
    play._script.clear()
    play.advance_quietly(400.0)


def test_so_few_need_not_wait_that_a_crowd_of_quiet_ones_does(play):
    overload(play)
    play.core.overload._at_once = AT_ONCE
    for number in range(AT_ONCE + 3):
        play.send("client", request(branch=f"z9hG4bK-{number}", call_id=str(number)))
        play._script.clear()
    assert len(play.core.overload.waiting) == 3
    play.advance_quietly(400.0)


def test_a_look_that_comes_late_takes_half_as_many_the_next_time(play):
    overload(play)
    for number in range(60):
        play.send("client", request(branch=f"z9hG4bK-{number}", call_id=str(number)))
    took = []
    play.now += EMPTYING
    play.core.overload._looked_at = play.now
    for wait in (PACE, PACE, PACE, LATE + 0.01, PACE):
        before = len(play.core.overload.waiting)
        play.now += wait
        play.core.overload.timer_fired("postponed", play.now)
        took.append(before - len(play.core.overload.waiting))
    assert took == [1, 2, 3, 4, 2]
    play._script.clear()
    play.core.take_commands()
    play.advance_quietly(400.0)


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "SUBSCRIBE", "REFER"])
def test_a_request_inside_a_dialog_overtakes(play, method):
    overload(play)
    play.send("client", request(f"{method} {ALIAS}", to=DIALOG))
    assert play.core.overload.postponed == 0
    assert len(play.core.transactions) > 0
    play._script.clear()
    play.advance_quietly(400.0)


def test_who_is_registered_refreshes_and_who_is_not_waits(play):
    play.register(play.contact_of("client"))
    overload(play)
    refreshed = play.register(play.contact_of("client"))
    assert refreshed.status == 200
    play.send_register("<sip:bob@10.1.0.9>", aor=f"sip:bob@{DOMAIN}")
    assert not play.unsaved
    overload(play, False)
    play.advance(PACE)
    assert len(play.unsaved) == 1
    play.saves()
    assert play.answer_to("client").status == 200
    play._script.clear()


def test_a_cancel_stays_behind_the_invite_that_it_means(play):
    overload(play)
    play.send("client", request())
    play.send("client", request(f"CANCEL {ALIAS}"))
    play.sees()
    overload(play, False)
    play.advance(PACE)
    play.sees("client < 100", "fe1 < INVITE", "client < 200")
    play.answer("fe1", 180)
    play.sees("client < 180", "fe1 < CANCEL")
    play._script.clear()
    play.advance_quietly(400.0)


def test_a_transaction_that_has_begun_goes_on(play):
    invite = play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    overload(play)
    play.send("client", invite)  # a retransmission waits: nothing depends on it
    play.answer("fe1", 200)
    play.sees("client < 200")
    overload(play, False)
    play.advance(PACE)
    play._script.clear()
