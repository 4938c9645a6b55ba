"""A line of the book: what counts as failed, and how it is put into words."""

import pytest

from proxy.recorder.line import (
    MOST_REASON,
    Failure,
    Line,
    aor_of_line,
    call_id_in,
    dialled,
    fits,
    header_of,
    reason_of,
    said,
)
from proxy.sip.flow import Flow, Listener
from proxy.sip.message import Request
from tests.support.messages import read, request

CLIENT = Flow(Listener("udp", "10.0.0.5", 5060), "2001:db8::9", 40000)


def line(status: int = 200, attempts=(("fe1", "200", 0.00123),), **more) -> Line:
    told = {"rule": "endpoint", "uri": b"sip:chat@contoso.test", **more}
    return Line(
        *(7.0, b"INVITE", told["uri"], b"From: Alice <sip:Alice@Contoso.test>;tag=1"),
        *(b"call-1", CLIENT.both_ends(), status, 0.12345, told["rule"]),
        *("chat@contoso.test", "pool.test", attempts),
    )


def test_a_line_says_who_what_and_where() -> None:
    told = line().to_json()
    assert told["from"] == "alice@contoso.test" and told["method"] == "INVITE"
    assert told["source"] == "udp:[2001:db8::9]:40000" and told["seconds"] == 0.1235
    assert told["attempts"] == [
        {"front_end": "fe1", "outcome": "200", "seconds": 0.0012}
    ]
    assert told["reason"] == "" and told["failures"] == [] and not told["is_failed"]


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (200, False),
        (302, False),
        (401, False),
        (407, False),
        (487, False),
        (404, True),
        (503, True),
        (603, True),
    ],
)
def test_challenges_and_the_callers_own_cancel_are_no_failure(status, failed) -> None:
    assert line(status).is_failed is failed


def test_what_failed_later_counts_too_and_its_size_is_known() -> None:
    found = line()
    found.failures = [Failure(8.0, 481, "BYE", "gone")]
    assert found.is_failed and found.to_json()["failures"][0]["status"] == 481
    assert found.failures[0].size == 100 + len("BYE" + "gone")


def test_the_rule_is_told_where_nobody_was_tried_and_it_was_refused() -> None:
    refused = line(404, (), rule="nowhere").to_json()["reason"]
    assert refused
    assert line(404, rule="nowhere").to_json()["reason"] == ""
    assert line(200, (), rule="nowhere").to_json()["reason"] == ""


def test_a_password_in_a_uri_is_masked() -> None:
    told = line(uri=b"sip:alice:secret@contoso.test").to_json()
    assert "secret" not in told["request_uri"] and "alice" in told["request_uri"]


def test_why_an_answer_failed_is_read_from_diagnostics_then_warning_and_cut() -> None:
    head = b'SIP/2.0 503 X\r\nWarning: 399 b\r\nms-diagnostics : 1;reason="a"\r\n\r\n'
    assert reason_of(head) == b'1;reason="a"'
    assert reason_of(head.replace(b"ms-diag", b"x-diag")) == b"399 b"
    long = b"SIP/2.0 503 X\r\nWarning: " + b"x" * 2_000 + b"\r\n\r\n"
    assert len(reason_of(long)) == MOST_REASON
    assert reason_of(b"SIP/2.0 503 X\r\n\r\nWarning: body") == b""
    assert "\x1b" not in said(b"a\x1b[31m")


def test_a_header_is_found_by_any_of_its_names() -> None:
    data = b"INVITE x\r\nf : a\r\nFrom: b\r\n\r\n"
    assert header_of(data, b"from", b"f") == b"a" and header_of(data, b"to") == b""


def test_a_call_id_is_read_from_its_line_or_by_the_parser() -> None:
    for spelled in (b"Call-ID: call-1", b"i:call-1", b"Call-ID: call-1 "):
        data = request().replace(b"Call-ID: call-1", spelled)
        message = read(data)
        assert isinstance(message, Request) and call_id_in(message) == b"call-1"


def test_addresses_fit_with_and_without_scheme_and_domain() -> None:
    assert fits(" SIP:Alice@contoso.test", "alice@contoso.test")
    assert fits("alice", "alice@contoso.test") and fits("sips:a@b", "a@b")
    assert not fits("ali", "alice@contoso.test")
    assert not fits("alice@contoso", "alice@contoso.test")


def test_what_cannot_be_read_is_empty() -> None:
    assert aor_of_line(b"From: <sip:") == "" and dialled(b"tel") == ""
    assert dialled(b"sip:Bob@H;x=y") == "bob@h"
    assert aor_of_line(b'From: "a\r\n b" <sip:Bob@H>;tag=1') == "bob@h"
