"""What is read from sipp's short trace and its complaints."""

from pathlib import Path

from tests.sipp.first_failure import on_the_wire
from tests.sipp.messages import (
    Broken,
    Line,
    broken_calls,
    lines_of,
    response_times,
    seen_of,
    unanswered,
)


def line(at: float, way: str, call: str, cseq: str, first: str) -> Line:
    return Line(at, way == "S", call, cseq, first)


CANCELLED = [
    line(1.0, "S", "1-9@a", "1 INVITE", "INVITE sip:x@c.test SIP/2.0"),
    line(1.0002, "R", "1-9@a", "1 INVITE", "SIP/2.0 100 Trying"),
    line(1.0004, "S", "1-9@a", "1 CANCEL", "CANCEL sip:x@c.test SIP/2.0"),
    line(1.0006, "R", "1-9@a", "1 CANCEL", "SIP/2.0 200 OK"),
    line(1.0009, "R", "1-9@a", "1 INVITE", "SIP/2.0 487 Request Terminated"),
    line(1.5009, "R", "1-9@a", "1 INVITE", "SIP/2.0 487 Request Terminated"),
]


def test_a_time_is_from_the_first_request_to_its_own_final_answer() -> None:
    assert [round(ms, 3) for ms in response_times(CANCELLED)] == [0.9]


def test_a_repeated_request_counts_from_its_first_copy() -> None:
    again = line(1.00005, "S", "1-9@a", "1 INVITE", "INVITE sip:x@c.test SIP/2.0")
    assert response_times([CANCELLED[0], again, *CANCELLED[1:]])[0] > 0.89


def test_a_request_of_the_pool_begins_no_call_and_answers_none() -> None:
    asked = [
        line(1.0, "R", "1-9@a", "1 INVITE", "INVITE sip:alice@a SIP/2.0"),
        line(1.1, "S", "1-9@a", "1 INVITE", "SIP/2.0 200 OK"),
    ]
    assert response_times(asked) == [] and unanswered(asked) == ""


def test_the_trace_is_read_and_a_torn_line_is_not(tmp_path: Path) -> None:
    path = tmp_path / "messages.csv"
    path.write_text(
        "2026-11-26\t10:00:00.000123\t1795710389.000123\tS\tb///1-9@a\t"
        "CSeq:1 MESSAGE\tMESSAGE sip:x@c.test SIP/2.0\n"
        "2026-11-26\t10:00:00.000623\t1795710389.000623\tR\t1-9@a\t"
        "CSeq: 1 MESSAGE\tSIP/2.0 200 OK\n2026-11-26\t10:00:0"
    )
    assert [each.call for each in lines_of(path)] == ["1-9@a", "1-9@a"]
    assert [round(ms, 1) for ms in response_times(lines_of(path))] == [0.5]
    assert seen_of("1-9@a", lines_of(path))[1].split() == [
        *("0.5", "ms", "<-", "200", "OK", "(1", "MESSAGE)")
    ]
    assert list(lines_of(tmp_path / "none.csv")) == []


def test_the_first_complaint_about_a_call_says_what_broke_it() -> None:
    said = (
        "Aborting call on unexpected message for Call-Id 'x///2-9@a': while expecting "
        "'200' (index 1), received 'SIP/2.0 503 Service Unavailable\nCall-ID: 2-9@a\n"
        "Dead call 2-9@a (aborted at index 1), received 'SIP/2.0 481 Gone\n"
        "Call-Id: 3-9@a, receive timeout on message uac:1 without label to jump to\n"
        "Aborting call on UDP retransmission timeout for Call-ID '4-9@a'.\n"
        "Discarding message which can't be mapped to a known SIPp call:\n"
        "SIP/2.0 487 Request Terminated\nCall-ID: 5-9@a\n"
    )
    assert broken_calls(said) == [
        *(Broken("2-9@a", "503"), Broken("3-9@a", ""), Broken("4-9@a", ""))
    ]


def test_a_call_that_nobody_complained_about_is_the_one_without_an_answer() -> None:
    asked = line(2.0, "S", "2-9@a", "1 INVITE", "INVITE sip:x@c.test SIP/2.0")
    assert unanswered([*CANCELLED, asked]) == "2-9@a"
    assert unanswered(CANCELLED) == ""


def test_a_dialog_of_its_own_prefix_is_asked_for_before_the_first_one() -> None:
    scenario = "Call-ID: [call_id]\nCall-ID: channel///[call_id]\n" * 2
    assert on_the_wire(scenario, "1-9@a") == ["channel///1-9@a", "1-9@a"]
