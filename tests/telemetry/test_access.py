"""Access lines: one line per request, whatever strangers write into it."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.commands import LogAccess
from proxy.sip.flow import Flow, Listener
from proxy.telemetry.access import (
    MOST_URI,
    AccessLog,
    access_fields,
    describe_attempts,
    json_line,
)
from tests.support.messages import read, request

FLOW = Flow(Listener("udp", "10.0.0.5", 5060), "10.1.0.9", 40000)
NASTY = "%0a2026-01-01T00:00:00.000+00:00%20method=INVITE%1b[31m"


def line_of(data: bytes, *, console: bool = False) -> str:
    stream = io.StringIO()
    log = AccessLog(stream, console)
    tried = [("fe1", "connect-timeout", 2.0), ("fe2", "200", 0.041)]
    log.add(
        LogAccess(
            *(read(data), FLOW, 200, 2.0412, "endpoint", "o@c.test", "pool", tried),
            2.0412,
        ),
        1_700_000_000.25,
    )
    log.flush()
    return stream.getvalue()


def test_a_line_tells_who_asked_what_and_every_attempt() -> None:
    assert json.loads(line_of(request())) == {
        "timestamp": "2023-11-14T22:13:20.250+00:00",
        "event": "request.finished",
        "method": "INVITE",
        "request_uri": "sip:ocschat@contoso.test",
        "status": 200,
        "ms": 2041.2,
        "source": "udp:10.1.0.9:40000",
        "aor": "alice@contoso.test",
        "call_id": "call-1",
        "rule": "endpoint",
        "endpoint": "o@c.test",
        "pool": "pool",
        "attempts": "fe1 connect-timeout 2.0s → fe2 200 41ms",
    }


_NAMES = st.text(max_size=6)
_TRIED = st.tuples(_NAMES, st.sampled_from(["200", "refused"]), st.floats(0.0, 99.0))


@given(
    st.sampled_from(["sip:o@c.test", "sip:o:secret@c.test", "sip:\u00fc@c.test"]),
    st.tuples(_NAMES, _NAMES, _NAMES),
    st.lists(_TRIED, max_size=3),
    st.floats(0.0, 99.0),
)
def test_a_line_of_json_says_what_a_console_line_says(uri, where, tried, took) -> None:
    asked = read(request(f"INVITE {uri}", call_id='a"b\\c'))
    record = LogAccess(asked, FLOW, 200, took, *where, tried, took)
    line = json_line(record, 1_700_000_000.25)
    assert line.endswith("}\n") and line.count("\n") == 1
    assert json.loads(line) == access_fields(record, 1_700_000_000.25)


def test_no_attempt_is_no_text() -> None:
    assert describe_attempts([]) == ""


@pytest.mark.parametrize("console", [False, True])
def test_neither_body_nor_credentials_are_written(console: bool) -> None:
    secret = 'Authorization: Digest username="alice", response="deadbeef"'
    data = request("INVITE sip:o@c.test", secret, body=b"a private word")
    line = line_of(data, console=console)
    assert "alice@contoso.test" in line
    assert not any(word in line for word in ("private", "deadbeef", "Digest"))


@pytest.mark.parametrize("console", [False, True])
def test_a_password_in_a_uri_is_not_written(console: bool) -> None:
    data = request("INVITE sip:bob:hunter2@contoso.test;transport=tcp;token=hunter3")
    line = line_of(data, console=console)
    assert "sip:bob:***@contoso.test;transport=tcp;token=***" in line
    assert "hunter" not in line


def test_a_uri_that_is_too_long_to_be_served_is_cut() -> None:
    data = request("INVITE sip:bob:" + "hunter2" * 1000 + "@contoso.test")
    assert json.loads(line_of(data))["request_uri"] == "sip:bob:***"
    data = request("INVITE sip:" + "b" * 2000 + "@contoso.test")
    assert len(json.loads(line_of(data))["request_uri"]) == MOST_URI


@pytest.mark.parametrize("console", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        request(from_=f"<sip:a{NASTY}@contoso.test>;tag=1"),
        request(from_="<sip:a\x1b[31m@contoso.test>;tag=1"),
        request(from_="<sip:a\x9b31m@contoso.test>;tag=1"),
        request(call_id="\x1b[2J\x07\x7f"),
    ],
)
def test_a_stranger_writes_no_line_of_his_own(data: bytes, console: bool) -> None:
    line = line_of(data, console=console)
    assert line.endswith("\n") and line[:-1].isprintable()
