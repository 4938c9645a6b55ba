"""The ACK of what we refused without a transaction ends here (section 8.2.7)."""

import re

import pytest

from tests.support.messages import ALIAS, line_of, request

DIALOG = f"<{ALIAS}>;tag=pool-1"


def ack_of(answer: bytes, invite: bytes, *routes: str) -> bytes:
    """What section 17.1.1.3 has a client send for this response."""
    to = line_of(answer, "To").decode()[4:]
    branch = re.search(rb"branch=([^\r;]*)", invite)[1].decode()
    return request(f"ACK {ALIAS}", *routes, to=to, branch=branch)


@pytest.mark.parametrize(
    "broken",
    [
        {"cseq": "1 OPTIONS"},
        {"start": f"INVITE {ALIAS}", "extra": ("Content-Length: 7",)},
        {"max_forwards": "many"},
        {"to": "<sip:broken"},
        {"start": "INVITE sip:x@contoso.test SIP/3.0"},
    ],
)
def test_the_ack_of_a_400_is_not_forwarded(play, broken):
    broken = dict(broken)
    start, extra = broken.pop("start", f"INVITE {ALIAS}"), broken.pop("extra", ())
    invite = play.send("client", request(start, *extra, **broken))
    answer = play.last("client")
    assert answer[8:9] in (b"4", b"5")
    play._script.clear()
    if b"sip:broken" not in answer:
        play.send("client", ack_of(answer, invite))
        play.sees()


@pytest.mark.parametrize("branch", ["z9hG4bK-7", "z9hG4bK"])
def test_the_ack_of_the_overload_s_503_is_not_forwarded(playbook, branch):
    play = playbook(max_transactions=-1)
    invite = play.send("client", request(branch=branch))
    play.sees("client < 503")
    play.send("client", ack_of(play.last("client"), invite))
    play.sees()
    # The repetition gets the same To tag, so either ACK is known.
    tag = line_of(play.last("client"), "To")
    play.send("client", invite)
    play.sees("client < 503")
    assert line_of(play.last("client"), "To") == tag


def test_inside_a_dialog_the_refused_invite_itself_is_remembered(playbook):
    """There the To tag is the other end's, whoever answers."""
    play = playbook(max_transactions=-1)
    invite = play.send("client", request(to=DIALOG))
    play.sees("client < 503")
    play.send("client", ack_of(play.last("client"), invite))
    play.sees()
    # That of a 2xx has a branch of its own.
    play.send("client", request(f"ACK {ALIAS}", to=DIALOG, branch="z9hG4bK-ack"))
    play.sees("fe1 < ACK")


def test_a_tag_that_only_looks_like_ours_is_somebody_else_s(play):
    ack = request(f"ACK {ALIAS}", to=f"<{ALIAS}>;tag=wp0123456789abcdef")
    play.send("client", ack)
    play.sees("fe1 < ACK")


def test_the_tag_is_another_for_another_request_and_none_can_guess_it(playbook):
    play = playbook(max_transactions=-1)
    tags = set()
    for change in ({}, {"call_id": "b"}, {"cseq": "2 INVITE"}, {"branch": "z9hG4bK-2"}):
        play.send("client", request(**change))
        play.sees("client < 503")
        tags.add(line_of(play.last("client"), "To"))
    assert len(tags) == 4


def test_a_cancel_and_its_invite_get_the_same_to_tag(play):
    """RFC 3261 section 9.2."""
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.send("client", request(f"CANCEL {ALIAS}"))
    play.sees("client < 200")
    tag = line_of(play.last("client"), "To")
    play.icmp("fe1")
    play.sees("client < 487")
    assert line_of(play.last("client"), "To") == tag
