"""Whatever comes in, the core raises nothing; what goes out is what came in."""

import re
from ipaddress import ip_network

from hypothesis import example, given
from hypothesis import strategies as st

from tests.property.strategies import broken, requests, responses
from tests.support.messages import read, request, response
from tests.support.playbook import Playbook

OURS = ("via", "max-forwards", "route", "record-route")
VISIBLE_EDITS = ("", "via", "max-forwards", "route", "record-route")


def untouched(data: bytes, *edited: str) -> list[bytes]:
    """The lines that a proxy must pass on as they are, in order, and the body."""
    message = read(data)
    kept = zip(message.lines, message.names, strict=True)
    names = (*VISIBLE_EDITS, *edited)
    return [*(x for x, name in kept if name not in names), message.body]


def run(play: Playbook, peer: str, data: bytes) -> list[bytes]:
    """Give the proxy a message; everything it sends."""
    before = len(play.sent)
    play.core.receive(play.flow(peer), data, play.now)
    play._carry_out(play.core.take_commands())
    return [sent for _, sent in play.sent[before:]]


@given(requests())
def test_a_forwarded_request_differs_only_in_the_lines_we_may_touch(data):
    play = Playbook(
        default_route=b"sip:10.0.2.1:5060",
        trusted_networks=(ip_network("10.1.0.0/16"),),
    )
    for sent in run(play, "client", data):
        if not sent.startswith(b"SIP/"):
            assert untouched(sent) == untouched(data)


@given(requests())
def test_of_a_strangers_request_what_it_claims_goes_too_and_nothing_else(data):
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    for sent in run(play, "client", data):
        if not sent.startswith(b"SIP/"):
            assert untouched(sent) == untouched(data, "p-asserted-identity")


@given(requests())
def test_via_lines_below_the_top_leave_in_their_order(data):
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    for sent in run(play, "client", data):
        if not sent.startswith(b"SIP/"):
            after = b"\n".join(read(sent).values("via"))
            for value in read(data).values("via"):
                for word in value.split(b","):
                    sent_by = word.split(b";")[0].strip()
                    assert sent_by in after


def without_token(line: bytes) -> bytes:
    """Our own Record-Route says another thing to each end of the dialog."""
    is_ours = line.lower().startswith(b"record-route:")
    return re.sub(rb"sip:[\w-]{44,80}@", b"sip:@", line) if is_ours else line


@given(st.data())
def test_a_forwarded_response_loses_the_top_via_and_nothing_else(data):
    play = Playbook(front_ends=("fe1",))
    run(play, "client", request(via=["SIP/2.0/UDP 10.1.0.9:40000;branch=z9hG4bK-1"]))
    answer = data.draw(responses(play.last("fe1")))
    for sent in run(play, "fe1", answer):
        message = read(sent)
        if sent.startswith(b"SIP/") and message.status not in (500,):
            lines = read(answer).lines
            top = read(answer).index["via"]
            expected = lines[:top] + lines[top + 1 :]
            assert [without_token(x) for x in message.lines] == [
                without_token(x) for x in expected
            ]
            assert message.body == read(answer).body


hostile = st.one_of(broken(requests()), broken(responses()), st.binary(max_size=100))


@given(hostile, st.sampled_from(["client", "client/tcp", "fe1"]))
@example(request("INVITE sip:x@contoso.test", "Route: <sip:%ff@10.0.0.5;lr>"), "fe1")
@example(
    request(
        "INVITE sip:AQo3AAAAAAAAAAAAAAAAAAAAnEAKAQAJkM0Y6SAEW7ZL.00000000@10.0.0.5",
        "Route: ",
    ),
    "client",
)
def test_no_message_makes_the_core_raise(data, peer):
    play = Playbook(default_route=b"sip:10.0.2.1:5060")
    run(play, peer, data)
    play.advance_quietly(40.0)


@given(st.data())
def test_no_answer_makes_the_core_raise(data):
    play = Playbook()
    run(play, "client", request("INVITE sip:ocschat@contoso.test"))
    run(play, "fe1", data.draw(broken(responses(play.last("fe1")))))
    play.advance_quietly(40.0)


@given(st.data())
def test_no_request_in_a_dialog_makes_the_core_raise(data):
    play = Playbook()
    run(play, "client", request("INVITE sip:ocschat@contoso.test"))
    ours = read(play.last("fe1")).values("record-route")[0].decode()
    run(play, "fe1", response(play.last("fe1"), 200, "Contact: <sip:fe@10.0.1.1>"))
    inside = st.builds(
        request,
        st.sampled_from(["INFO sip:fe@10.0.1.1", f"BYE {ours.strip('<>')}"]),
        st.sampled_from(
            [f"Route: {ours}", f"Route: {ours}, {ours}", "Route: ", "X: y"]
        ),
        to=st.just("<sip:ocschat@contoso.test>;tag=pool-1"),
        cseq=st.integers(2, 9),
        branch=st.sampled_from([None, "z9hG4bK-2"]),
    )
    run(play, "client", data.draw(st.one_of(inside, broken(inside))))
    play.advance_quietly(40.0)
