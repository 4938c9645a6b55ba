"""``waypost trace``: which calls, and as what."""

import pytest

from tests.cli.commands.recorder import a_call, asked, kept, recorder_says

pytestmark = pytest.mark.here


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ((), "name a Call-ID, say --failed"),
        (("call-1", "--failed"), "stands alone"),
        (("call-1", "--from", "alice"), "stands alone"),
        (("--failed", "--for", "10m"), "--for needs a choice"),
        (("--from", "alice", "--follow"), "--follow needs --for"),
        (("--source", "10.1.0.0/99"), "--source"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(waypost, line, says):
    assert waypost("trace", *line) == 2
    assert says in waypost.err


def test_one_call_is_a_ladder_or_its_messages(waypost, config_file):
    with recorder_says(config_file, kept(a_call())) as service:
        assert waypost("trace", "call-1") == 0
        ladder = waypost.out
        assert waypost("trace", "call-1", "--raw") == 0
    assert asked(service)["call_id"] == "call-1" and asked(service)["one"] == "1"
    assert "INVITE" in ladder and "404" in ladder
    assert "Call-ID: call-1" in waypost.out and "from udp:10.1.0.9:40000" in waypost.out


def test_the_newest_of_several_stands_last(waypost, config_file):
    calls = kept(a_call("new", 3_000.0), a_call("old", 2_000.0))
    with recorder_says(config_file, calls) as service:
        assert waypost("trace", "--failed", "--limit", "5", "--json") == 0
    assert [x["call_id"] for x in waypost.json] == ["old", "new"]
    assert (asked(service)["failed"], asked(service)["limit"]) == ("1", "5")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (("call-1",), 'nothing is kept of "call-1"'),
        (("--failed",), "no call has failed"),
        (("--from", "alice"), "unless a live trace"),
    ],
)
def test_what_is_not_kept_is_told_with_why(waypost, config_file, line, says):
    with recorder_says(config_file, kept()):
        assert waypost("trace", *line) == 1
    assert says in waypost.err


def test_a_capture_is_for_its_owner_only(waypost, config_file, tmp_path):
    file = tmp_path / "calls.pcap"
    with recorder_says(config_file, kept(a_call())):
        assert waypost("trace", "--failed", "--pcap", str(file)) == 0
        assert waypost.out == f"wrote {file}: 2 messages of 1 call, masked\n"
        assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size > 100
        assert waypost("trace", "--failed", "--pcap", str(tmp_path / "no" / "x")) == 1
    assert "cannot be written" in waypost.err


def test_bodies_are_asked_for_only_where_they_are_kept(waypost, config_file):
    with recorder_says(config_file, kept(a_call())) as service:
        assert waypost("trace", "--failed", "--bodies") == 1
    assert "bodies = true" in waypost.err and service.asked == []
