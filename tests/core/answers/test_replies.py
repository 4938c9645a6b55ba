"""Responses of our own making."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import events
from proxy.core.answers.replies import reply
from proxy.sip.framing import StreamFramer
from tests.property.strategies import broken, requests
from tests.support.messages import read, request
from tests.support.playbook import Playbook


def test_a_reason_that_quotes_a_peer_breaks_no_line():
    """The user part of a URI may hold escaped line breaks."""
    data = reply(
        read(request()), 403, "a\r\nX-Evil: 1\r\n\r\n@contoso.test is not yours"
    )
    assert data.startswith(b"SIP/2.0 403 aX-Evil: 1@contoso.test is not yours\r\nVia: ")


BAD = (b"\r", b"\n", b"\0", b"\n\r", b"\r\r\n ")
COPIED = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")


def is_clean(data: bytes) -> bool:
    """Whether nothing but folds and line ends stands where text may not."""
    text = data.replace(b"\r\n", b"")
    return all(byte == 9 or 32 <= byte < 127 or byte >= 128 for byte in text)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", COPIED)
def test_what_was_refused_as_malformed_is_not_in_our_answer(play, name, bad):
    """With a forged source it would reach somebody who reads a line of a stranger's."""
    start = request("OPTIONS sip:x@contoso.test").find(name + b":")
    data = request("OPTIONS sip:x@contoso.test")
    end = data.find(b"\r\n", start)
    play.send("client", data[:end] + bad + b"X-Injected: yes" + data[end:])
    play._script.clear()
    for _, sent in play.sent:
        if sent.startswith(b"SIP/2.0 4"):
            assert is_clean(sent) and b"X-Injected" not in sent
            read_lines = [line.partition(b":")[0] for line in sent.split(b"\r\n")]
            assert name not in read_lines
    if name == b"Via":
        assert not play.sent  # no answer could find its way


@pytest.mark.parametrize("bad", BAD[:4])
def test_an_answer_is_given_when_what_it_copies_is_in_order(play, bad):
    data = request("OPTIONS sip:x@contoso.test", "X: a" + bad.decode() + "b")
    play.send("client", data)
    play.sees("client < 400")
    for name in COPIED:
        assert name + b":" in play.last("client")


@pytest.mark.parametrize("name", COPIED)
def test_a_stream_that_lost_its_framing_gets_no_line_of_its_own_making(play, name):
    data = request("OPTIONS sip:x@contoso.test", transport="TCP")
    start = data.find(name + b":")
    end = data.find(b"\r\n", start)
    data = data[:end] + b"\nX-Injected: yes" + data[end:]
    framer = StreamFramer()
    framer.feed(data.replace(b"Content-Length: 0", b"Content-Length: x"))
    error = framer.error
    assert error is not None and error.data
    play._handle(
        events.FramingFailed(
            play.flow("client/tcp"), error.data, error.status, error.reason
        )
    )
    play._script.clear()
    for _, sent in play.sent:
        assert is_clean(sent) and b"X-Injected" not in sent


hostile = st.one_of(
    broken(requests()),
    st.builds(
        lambda data, at, bad: data[: at % len(data)] + bad + data[at % len(data) :],
        requests(),
        st.integers(0, 2000),
        st.sampled_from(BAD),
    ),
)


@given(hostile, st.sampled_from(["client", "client/tcp"]))
def test_no_answer_of_ours_to_a_refused_message_has_control_characters(data, peer):
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    play.core.receive(play.flow(peer), data, play.now)
    play._carry_out(play.core.take_commands())
    for _, sent in play.sent:
        if sent.startswith(b"SIP/2.0 400"):
            for line in sent.split(b"\r\n"):
                assert is_clean(line) or line[:4].lower() in (b"via:", b"v: s")
                assert not any(bad in line for bad in (b"\r", b"\n", b"\0"))


def test_an_invite_of_a_dialog_with_an_unreadable_via_is_refused_and_no_fault(play):
    start = "INVITE sip:x@contoso.test"
    play.send("client", request(start, via="SIP/2.0/UDP", to="<sip:x@y>;tag=2"))
    play.sees("client < 400")
    assert play.core.guard.count == 0
