"""How a request leaves: by which connection and branch, and who waits for it."""

from tests.support.messages import ALIAS, line_of, read, request

INVITE = request()


def test_every_attempt_has_a_branch_of_its_own(play):
    play.send("client", INVITE)
    play.sees("client < 100", "fe1 < INVITE")
    play.icmp("fe1")
    play.sees("fe2 < INVITE")
    first, second = (read(play.last(fe)).top_via().branch for fe in ("fe1", "fe2"))
    assert first != second


def test_a_refused_connection_moves_on(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.cannot_connect("fe1/tcp")
    play.sees("connect fe2/tcp")
    play.connects("fe2/tcp")
    play.sees("fe2/tcp < INVITE")
    play.answer("fe2/tcp", 200)
    play.sees("client < 200")


def test_a_connection_that_takes_too_long_moves_on(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.advance(2.0)
    play.cannot_connect("fe1/tcp", "connect-timeout")
    play.sees("2.0s connect fe2/tcp")


def test_a_connection_that_breaks_takes_its_request_along(playbook):
    play = playbook(transport="tcp")
    play.flow("fe1/tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "fe1/tcp < INVITE")
    play.closes("fe1/tcp")
    play.sees("connect fe1/tcp")  # an old connection says nothing about fe1
    play.cannot_connect("fe1/tcp")
    play.sees("connect fe2/tcp")


def test_a_connection_closed_as_it_is_used_again_is_replaced(playbook):
    """Front ends close idle connections: the only one left must not be a 504."""
    play = playbook(transport="tcp", front_ends=("fe1",))
    play.flow("fe1/tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "fe1/tcp < INVITE")
    play.closes("fe1/tcp", "closed")
    play.sees("connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE")
    play.answer("fe1/tcp", 200)
    play.sees("client < 200")
    assert not play.core.health.suspects


def test_a_new_connection_that_breaks_is_not_tried_again(playbook):
    play = playbook(transport="tcp", front_ends=("fe1",))
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE")
    play.closes("fe1/tcp")
    play.sees("client < 504")


def test_a_front_end_that_rang_and_hung_up_is_not_tried_again(playbook):
    play = playbook(transport="tcp")
    play.flow("fe1/tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "fe1/tcp < INVITE")
    play.answer("fe1/tcp", 180)
    play.sees("client < 180")
    play.closes("fe1/tcp")
    play.sees("connect fe2/tcp")


def test_requests_on_a_connection_that_broke_keep_their_order(playbook):
    play = playbook(transport="tcp", front_ends=("fe1",))
    play.flow("fe1/tcp")
    for cseq in range(1, 10):
        play.send(
            "client", request(f"INFO {ALIAS}", branch=f"z9hG4bK-{cseq}", cseq=cseq)
        )
        play.sees("fe1/tcp < INFO")
    play.closes("fe1/tcp")
    play.sees("connect fe1/tcp")
    play.sent.clear()
    play.connects("fe1/tcp")
    play.sees(*["fe1/tcp < INFO"] * 9)
    order = [line_of(data, "CSeq") for _, data in play.sent]
    assert order == [b"CSeq: %d INFO" % cseq for cseq in range(1, 10)]


def test_nobody_overtakes_those_who_wait_for_a_connection(playbook):
    """It is in the flow table a moment before the core is told of it."""
    play = playbook(transport="tcp")
    play.send("client", request(f"INFO {ALIAS}", branch="z9hG4bK-1", cseq=1))
    play.sees("connect fe1/tcp")
    play.flow("fe1/tcp")
    play.send("client", request(f"INFO {ALIAS}", branch="z9hG4bK-2", cseq=2))
    play.sees()
    play.connects("fe1/tcp")
    play.sees(*["fe1/tcp < INFO"] * 2)
    order = [line_of(d, "CSeq") for peer, d in play.sent if peer == "fe1/tcp"]
    assert order == [b"CSeq: 1 INFO", b"CSeq: 2 INFO"]


def test_two_requests_share_one_connection_attempt(playbook):
    play = playbook(transport="tcp")
    play.send("client", INVITE)
    play.sees("client < 100", "connect fe1/tcp")
    play.send("bob", request(branch="z9hG4bK-b", call_id="b"))
    play.sees("bob < 100")
    play.connects("fe1/tcp")
    play.sees("fe1/tcp < INVITE", "fe1/tcp < INVITE")
