"""A connection ends while it rings; what the callee says then comes over a new one
(RFC 3261 sections 18.1.1 and 18.2.2)."""

import pytest

from tests.support.messages import ALIAS, line_of, request, response
from tests.support.playbook import POOL


@pytest.fixture
def play(playbook):
    """fe1 rings over TCP; it is the only front end."""
    play = playbook(front_ends=("fe1",), transport="tcp")
    ring(play)
    return play


def ring(play):
    play.send("client", request())
    play.sees("client < 100", "connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE")
    play.answer("fe1/tcp", 180)
    play.sees("client < 180")


def test_a_late_2xx_reaches_the_caller(play):
    invite = play.request_at("fe1/tcp", "INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")
    play.advance_quietly(20.0)  # the callee picks up
    ok = response(invite, 200, "Contact: <sip:fe1@10.0.1.1:5060;transport=tcp>")
    play.send("fe1/tcp", ok)
    play.sees("client < 200")
    play.send("fe1/tcp", ok)  # until it gets its ACK
    play.sees("client < 200")
    assert line_of(play.last("client"), "To").endswith(b"tag=pool-1")


def test_a_late_2xx_ends_the_search_that_went_on(playbook):
    play = playbook(transport="tcp")
    ring(play)
    invite = play.request_at("fe1/tcp", "INVITE")
    play.closes("fe1/tcp")
    play.sees("connect fe2/tcp")
    play.connects("fe2/tcp")
    play.sees("fe2/tcp < INVITE")
    play.answer("fe2/tcp", 180)
    play.sees("client < 180")
    play.send("fe1/tcp", response(invite, 200))
    play.sees("fe2/tcp < CANCEL", "client < 200")


def test_who_rings_on_is_cancelled_over_the_new_connection(play):
    """The caller has been told that it failed, or somebody else is asked."""
    invite = play.request_at("fe1/tcp", "INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")
    play.send("fe1/tcp", response(invite, 183))
    play.sees("fe1/tcp < CANCEL")


def test_a_late_refusal_gets_its_ack_and_nothing_else(play):
    invite = play.request_at("fe1/tcp", "INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")
    play.send("fe1/tcp", response(invite, 486))
    play.sees("fe1/tcp < ACK")
    assert not play.core.transactions.stranded


def test_the_answer_to_a_cancel_is_no_answer_to_its_invite(play):
    play.send("client", request(f"CANCEL {ALIAS}"))
    play.sees("client < 200", "fe1/tcp < CANCEL")
    cancel = play.request_at("fe1/tcp", "CANCEL")
    play.closes("fe1/tcp")
    play.sees("client < 487")
    play.send("fe1/tcp", response(cancel, 200))
    play.sees()


def test_it_is_remembered_as_long_as_it_may_ring(play):
    invite = play.request_at("fe1/tcp", "INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")
    play.advance_quietly(180.0)
    play.send("fe1/tcp", response(invite, 200))
    play.sees("client < 200")
    play.advance_quietly(2.0)
    play.send("fe1/tcp", response(invite, 200))
    play.sees()
    assert not play.core.transactions.stranded


def test_a_late_2xx_over_udp_finds_its_caller_too(play):
    """The peer may have any way back to us that it likes."""
    invite = play.request_at("fe1/tcp", "INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")
    play.send("fe1", response(invite, 200))
    play.sees("client < 200")


def test_a_request_of_another_method_is_not_remembered(playbook):
    play = playbook(front_ends=("fe1",), transport="tcp")
    play.send("client", request(f"MESSAGE {ALIAS}"))
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < MESSAGE")
    message = play.request_at("fe1/tcp")
    play.closes("fe1/tcp")
    play.sees("client < 504")
    play.knows(POOL, "fe1", transport="tcp")
    play.send("fe1/tcp", response(message, 200))
    play.sees()


WITHIN = 8 * 1024 - 40  # of one line; what a callee appends to it goes beyond
AT_THE_LIMIT = {
    "To": {"to": f"<{ALIAS}>;x={'a' * WITHIN}"[:WITHIN]},
    "From": {"from_": f"<sip:alice@contoso.test>;tag=a;x={'a' * WITHIN}"[:WITHIN]},
    "Via": {"via": f"SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1;x={'a' * 8000}"},
}


@pytest.mark.parametrize("status", [180, 200, 302, 407, 486, 503])
@pytest.mark.parametrize("field", AT_THE_LIMIT)
def test_the_answer_to_what_we_have_passed_on_is_read(playbook, field, status):
    """Otherwise whoever sent it could make any front end look silent."""
    play = playbook()
    play.send("client", request(**AT_THE_LIMIT[field]))
    play._script.clear()
    lines = [f"X-{number}: a" for number in range(125)]
    invite = play.request_at("fe1", "INVITE")
    play.send("fe1", response(invite, status, *lines, to_tag="p" * 100))
    seen = ["fe1 < ACK"] if status >= 300 else []
    play.sees(*seen, *(["fe2 < INVITE"] if status == 503 else [f"client < {status}"]))
