"""A front end that says nothing: one call finds out, and all others go elsewhere."""

import pytest

from proxy.core.settings import Attempts
from proxy.pools.health import EJECTION_SECONDS, TRIAL_SECONDS
from tests.support.dialogs import Call
from tests.support.messages import request
from tests.support.playbook import HOSTS

FE1 = ("udp", "10.0.1.1", 5060, "")


def call(play, number, method="INVITE"):
    text = dict(branch=f"z9hG4bK{number}", call_id=f"c{number}")
    if method == "INVITE":
        play.send("client", request(**text))
    else:
        start = f"{method} sip:ocschat@contoso.test"
        play.send("client", request(start, "Event: presence", **text))


def learn(play):
    """One call finds that fe1 is silent, and is served by fe2."""
    call(play, "first")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(2.0)
    play.sees("fe1 < INVITE", "fe1 < INVITE", "2s fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")


def test_one_silence_is_enough_for_all_who_come_later(play):
    learn(play)
    for number in range(5):
        call(play, number)
        play.sees("client < 100", "2s fe2 < INVITE")
        play.answer("fe2", 200)
        play.sees("client < 200")
    health = play.core.health.health(FE1, play.now)
    assert (health.state, health.reason) == ("ejected", "silent")


def test_those_who_wait_for_it_go_on_when_one_has_learned(play):
    call(play, "first")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(0.7)
    play.sees("0.5s fe1 < INVITE")
    call(play, "second")
    play.sees("client < 100", "0.7s fe1 < INVITE")
    play.advance(1.2)
    play.sees("1.2s fe1 < INVITE", "1.5s fe1 < INVITE")
    call(play, "third")
    play.sees("client < 100", "1.9s fe1 < INVITE")
    play.advance(0.1)
    play.sees("2s fe2 < INVITE", "2s fe2 < INVITE", "2s fe2 < INVITE")


def test_who_has_heard_something_goes_on_waiting(play):
    call(play, "rings")
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 180)
    play.sees("client < 180")
    play.advance(0.1)
    call(play, "second")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(2.0)
    play.sees("0.6s fe1 < INVITE", "1.6s fe1 < INVITE", "2.1s fe2 < INVITE")


def test_a_100_is_a_sign_of_life_and_has_four_seconds(play):
    call(play, "first")
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 100)
    play.advance(3.9)
    play.sees()
    play.advance(0.1)
    play.sees("4s fe1 < CANCEL", "fe2 < INVITE")
    assert not play.core.health.ejected


def test_a_100_that_comes_late_gives_the_front_end_its_time(play):
    call(play, "first")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(1.0)
    play.sees("0.5s fe1 < INVITE")
    play.answer("fe1", 100)
    play.advance(2.9)
    play.sees()
    play.advance(0.1)
    play.sees("4s fe1 < CANCEL", "fe2 < INVITE")


def test_one_lost_request_ejects_nobody_who_answers_others(play):
    """kamailio#4911: one failed request changes nothing for the others."""
    call(play, "lost")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(1.0)
    play.sees("0.5s fe1 < INVITE")
    call(play, "served")
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 200)
    play.sees("client < 200")
    play.advance(1.0)
    play.sees("1.5s fe1 < INVITE", "2s fe2 < INVITE")
    assert not play.core.health.ejected


@pytest.mark.parametrize(
    ("status", "seen", "again"),
    [
        (100, [], []),
        (183, ["client < 183"], []),
        (486, ["fe1 < ACK", "client < 486"], ["client < 486"]),
    ],
)
def test_whatever_it_says_to_others_is_a_sign_of_life(play, status, seen, again):
    call(play, "lost")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(1.0)
    play.sees("0.5s fe1 < INVITE")
    call(play, "other")
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", status)
    play.sees(*seen)
    play.advance(1.0)
    play.sees(*again, "1.5s fe1 < INVITE", "2s fe2 < INVITE")
    assert not play.core.health.ejected


def test_a_subscribe_learns_as_well(play):
    call(play, "first", "SUBSCRIBE")
    play.sees("fe1 < SUBSCRIBE")
    play.advance(2.0)
    play.sees("fe1 < SUBSCRIBE", "fe1 < SUBSCRIBE", "2s fe2 < SUBSCRIBE")
    call(play, "second")
    play.sees("client < 100", "fe2 < INVITE")


def test_a_connection_that_nobody_takes_is_silence_too(playbook):
    play = playbook(transport="tcp")
    call(play, "first")
    play.sees("client < 100", "connect fe1/tcp")
    play.advance(2.0)
    play.cannot_connect("fe1/tcp", "connect-timeout")
    play.sees("2s connect fe2/tcp")
    play.connects("fe2/tcp")
    play.sees("fe2/tcp < INVITE")
    play.answer("fe2/tcp", 200)
    play.sees("client < 200")
    call(play, "second")
    play.sees("client < 100", "fe2/tcp < INVITE")


def test_the_only_front_end_is_not_left_for_nobody(playbook):
    play = playbook(front_ends=("fe1",))
    call(play, "first")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(11.9)
    play.sees("0.5s fe1 < INVITE", *["fe1 < INVITE"] * 3)
    play.answer("fe1", 200)
    play.sees("client < 200")


# -- after the ejection ------------------------------------------------------------


def test_one_call_tries_it_and_the_others_keep_away_until_it_has_answered(play):
    learn(play)
    play.advance(EJECTION_SECONDS)
    call(play, "trial")
    play.sees("client < 100", "12s fe1 < INVITE")
    for number in range(3):
        call(play, number)
        play.sees("client < 100", "12s fe2 < INVITE")
        play.answer("fe2", 200)
        play.sees("client < 200")
    play.answer("fe1", 200, to="INVITE")
    play.sees("client < 200")
    call(play, "after")
    play.sees("client < 100", "12s fe1 < INVITE")


def test_a_trial_that_hears_nothing_costs_one_call_and_nobody_else(play):
    learn(play)
    play.advance(EJECTION_SECONDS)
    call(play, "trial")
    play.sees("client < 100", "12s fe1 < INVITE")
    play.advance(1.9)
    play.sees("fe1 < INVITE", "fe1 < INVITE")
    call(play, "other")
    play.sees("client < 100", "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.advance(0.1)
    play.sees("14s fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.advance(2 * EJECTION_SECONDS - 0.1)
    call(play, "later")  # the second ejection is longer
    play.sees("client < 100", "fe2 < INVITE")


def test_a_trial_that_is_given_up_blocks_nobody_for_long(play):
    learn(play)
    play.advance(EJECTION_SECONDS)
    call(play, "trial")
    play.sees("client < 100", "12s fe1 < INVITE")
    play.answer("fe1", 180)
    play.sees("client < 180")
    call(play, "other")
    play.sees("client < 100", "12s fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.advance(TRIAL_SECONDS)
    play.sees()
    call(play, "next")
    play.sees("client < 100", "15s fe1 < INVITE")


def test_a_call_that_fails_over_avoids_who_was_ejected_meanwhile(playbook):
    play = playbook(front_ends=("fe1", "fe2", "fe3"))
    call(play, "long")
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 100)
    for key in (("udp", "10.0.1.2", 5060, ""),):
        play.core.health.record_failure(key, "silent", play.now, is_silent=True)
    play.advance(4.0)
    play.sees("4s fe1 < CANCEL", "fe3 < INVITE")


def test_silence_can_be_given_less_time(playbook):
    play = playbook(attempts=Attempts(silence=1.0))
    call(play, "first")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(1.0)
    play.sees("0.5s fe1 < INVITE", "1s fe2 < INVITE")
    play = playbook(attempts=Attempts(first_answer=0.8))
    call(play, "second")
    play.sees("client < 100", "fe1 < INVITE")
    play.advance(0.8)
    play.sees("0.5s fe1 < INVITE", "0.8s fe2 < INVITE")


def test_the_front_ends_of_pools_and_of_the_default_route_are_ours(playbook):
    """Their health is not forgotten for what strangers name in their Contacts."""
    play = playbook(default_route=b"sip:10.0.2.1:5060")
    play.send("client", request())
    play._script.clear()
    is_ours = play.core.health.is_ours
    assert is_ours(("udp", HOSTS["fe1"], 5060, ""))
    assert is_ours(("udp", HOSTS["edge"], 5060, ""))
    assert not is_ours(("udp", HOSTS["client"], 5060, ""))


@pytest.mark.parametrize("reason", ["too-large", "limit"])
def test_what_a_front_end_cannot_help_ejects_none(playbook, reason):
    """Anybody may send more than a datagram holds, or use up our descriptors."""
    is_udp = reason == "too-large"
    play = playbook(transport="udp" if is_udp else "tcp")
    for number in range(6):
        play.advance_quietly(40.0)
        play.send("client", request(branch=f"z9hG4bK{number}", call_id=f"c{number}"))
        for name in ("fe1", "fe2"):  # in the order of the pool each time
            begin = ["client < 100"] * (name == "fe1")
            if is_udp:
                play.sees(*begin, f"{name} < INVITE")
                play.icmp(name, reason)
            else:
                play.sees(*begin, f"connect {name}/tcp")
                play.cannot_connect(f"{name}/tcp", reason)
        play.sees("client < 513" if is_udp else "client < 504")
    assert not play.core.health.suspects


def test_what_no_datagram_carries_inside_a_dialog_blames_no_pool(play):
    call = Call(play, their_contact="<sip:x@10.0.1.1>")
    assert call.up("INFO").startswith("fe1 < INFO")
    play.icmp("fe1", "too-large")
    play.sees("client < 513")
