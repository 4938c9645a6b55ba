"""``waypost trace --for``: recorded from now on, and told as it comes."""

import json

import pytest

from proxy.cli.commands import live_trace
from tests.cli.commands.recorder import a_call, asked, kept, recorder_says

pytestmark = pytest.mark.here
BEGUN = {**kept(a_call()), "problem": ""}


def test_it_is_begun_for_so_long_and_says_how_to_see_it(waypost, config_file):
    with recorder_says(config_file, BEGUN) as service:
        assert waypost("trace", "--from", "alice", "--for", "10m") == 0
    words = asked(service)
    assert (words["from"], float(words["for"])) == ("alice", 600.0) and words["name"]
    assert service.asked[0].startswith(b"POST /trace/live?")
    assert waypost.out.endswith("to see it: waypost trace --from alice\n")


def test_scripts_get_its_name_and_its_end(waypost, config_file):
    with recorder_says(config_file, BEGUN) as service:
        assert waypost("trace", "--call-id", "c", "--for", "10m", "--json") == 0
    assert waypost.json["name"] == asked(service)["name"] and waypost.json["until_at"]


def test_who_follows_hears_every_message_once_and_ends_it(
    waypost, config_file, monkeypatch
):
    monkeypatch.setattr(live_trace, "LOOK", 0.01)
    with recorder_says(config_file, BEGUN) as service:
        line = ("trace", "--from", "alice", "--for", "1s", "--follow")
        assert waypost(*line) == 0
    said = waypost.out.splitlines()
    assert len(said) == 2 and "<- udp" in said[0] and "INVITE" in said[0]
    assert "-> udp" in said[1] and "404" in said[1] and said[1].endswith("call-1")
    assert service.asked[-1].startswith(b"POST /trace/live?name=")
    assert "for" not in asked(service) and len(service.asked) >= 3


def test_to_scripts_a_message_is_a_line(waypost, config_file, monkeypatch):
    with recorder_says(config_file, BEGUN):
        line = ("trace", "--from", "alice", "--for", "1s", "--follow", "--json")
        assert waypost(*line) == 0
    lines = [json.loads(each) for each in waypost.out.splitlines()]
    assert [x["direction"] for x in lines] == ["in", "out"]
    assert {x["call_id"] for x in lines} == {"call-1"}


def test_what_the_service_refuses_is_refused_here(waypost, config_file):
    told = {**BEGUN, "problem": "there are 8 live traces already"}
    with recorder_says(config_file, told):
        assert waypost("trace", "--from", "alice", "--for", "10m") == 1
    assert "8 live traces already" in waypost.err
