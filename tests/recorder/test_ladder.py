"""A call as steps: who said what to whom, how often, and where it broke."""

import pytest

from proxy.recorder.ladder import label_of, our_reason, span, steps_of
from tests.support.messages import request, response

CLIENT, FE1, FE2 = "10.1.0.9:40000", "10.0.1.1:5060", "10.0.1.2:5060"
INVITE = request()
DIAGNOSTICS = 'ms-diagnostics: 1007;source="wp";reason="Cannot route";cause="refused"'


def said(at: float, data: bytes, peer: str = CLIENT, *, is_in: bool = False):
    told = {"at": at, "peer": peer, "data": data.decode(), "transport": "udp"}
    return {**told, "direction": "in" if is_in else "out"}


def attempt(name: str, outcome: str, seconds: float):
    return {"front_end": name, "outcome": outcome, "seconds": seconds}


def fact(at: float, status: int, *attempts, rule: str = "endpoint"):
    told = {"at": at, "method": "INVITE", "status": status, "rule": rule}
    return {**told, "attempts": list(attempts)}


def steps(*messages, facts=()):
    names = {"10.0.1.1": "fe1", "10.0.1.2": "fe2"}
    call = {"messages": list(messages), "facts": list(facts), "names": names}
    peers, found = steps_of(call)
    return [x.name for x in peers], [(x.at, x.label, x.times, x.reason) for x in found]


def test_repetitions_are_counted_and_peers_come_in_their_order() -> None:
    peers, found = steps(
        said(1.0, INVITE, is_in=True),
        said(1.1, INVITE, FE1),
        said(1.6, INVITE, FE1),
        said(2.0, response(INVITE, 180), FE1, is_in=True),
    )
    assert peers == ["client", "fe1"]
    assert [(label, times) for _, label, times, _ in found] == [
        *(("INVITE", 1), ("INVITE", 2), ("180 Ringing", 1))
    ]


def test_an_answer_of_ours_says_why_and_one_passed_on_does_not() -> None:
    ours = response(INVITE, 504, DIAGNOSTICS)
    _, found = steps(said(1.0, INVITE, is_in=True), said(2.0, ours))
    assert found[-1][3] == "Cannot route (cause refused)"
    theirs = said(1.9, response(INVITE, 504), FE1, is_in=True)
    _, found = steps(said(1.0, INVITE, is_in=True), theirs, said(2.0, ours))
    assert [reason for *_, reason in found] == ["", "", ""]


def test_the_rule_that_refused_is_told_with_what_we_said() -> None:
    refused = response(INVITE, 404, DIAGNOSTICS)
    _, found = steps(
        said(1.0, INVITE, is_in=True),
        said(1.1, refused),
        facts=[fact(1.1, 404, rule="nowhere")],
    )
    rule, _, said_by_us = found[-1][3].rpartition("; ")
    assert rule and said_by_us == "Cannot route (cause refused)"


def test_a_481_inside_a_dialog_is_explained_but_not_one_to_bye() -> None:
    info, bye = request("INFO sip:x"), request("BYE sip:x")
    for asked, says in ((info, "fe1 does not know this dialog"), (bye, "")):
        _, found = steps(
            said(1.0, asked, is_in=True),
            said(1.1, asked, FE1),
            said(1.2, response(asked, 481), FE1, is_in=True),
        )
        assert found[-1][3].startswith(says) and bool(found[-1][3]) == bool(says)


def test_a_failed_attempt_is_remarked_where_it_was_given_up() -> None:
    asked = (said(1.0, INVITE, is_in=True), said(1.0, INVITE, FE1))
    second = request(branch="z9hG4bK-2")
    _, found = steps(
        *(*asked, said(3.0, second, FE2)),
        said(3.1, response(second, 200), FE2, is_in=True),
        facts=[
            fact(3.1, 200, attempt("fe1", "timeout", 2.0), attempt("fe2", "200", 0.1))
        ],
    )
    labels = [label for _, label, *_ in found]
    remark = "fe1: timeout after 2.0 s, the next one is tried"
    assert labels == ["INVITE", "INVITE", remark, "INVITE", "200 OK"]


def test_the_last_failure_stands_above_our_answer() -> None:
    _, found = steps(
        said(1.0, INVITE, is_in=True),
        said(1.0, INVITE, FE1),
        said(3.0, response(INVITE, 504)),
        facts=[fact(3.0, 504, attempt("fe1", "timeout", 2.0))],
    )
    labels = [label for _, label, *_ in found]
    assert labels[-2:] == ["fe1: timeout after 2.0 s", "504 Whatever"]


@pytest.mark.parametrize(
    ("data", "label"),
    [
        (INVITE, "INVITE"),
        (response(INVITE, 486, reason="Busy Here"), "486 Busy Here"),
        (response(request("BYE sip:x"), 200), "200 OK (BYE)"),
        (b"SIP/2.0 200 OK\r\n\r\n", "200 OK"),
        (b"X\x1b sip:x SIP/2.0\r\n\r\n", "X%1b"),
    ],
)
def test_a_label_is_method_or_status(data: bytes, label: str) -> None:
    assert label_of(data.decode()) == label


def test_a_reason_without_pairs_is_told_as_it_is() -> None:
    assert our_reason('X\r\nWarning: 399 wp "text"\r\n') == '399 wp "text"'
    assert our_reason("X\r\nTo: y\r\n") == ""
    line = 'X\r\nms-diagnostics: 1;reason="a";pool="p";cause="a"\r\n'
    assert our_reason(line) == "a (pool p)"


def test_a_duration_is_short() -> None:
    assert (span(0.0004), span(0.25), span(2.04)) == ("0 ms", "250 ms", "2.0 s")
