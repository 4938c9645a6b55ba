"""``waypost calls``: what the running service tells, in a table, as CSV and JSON."""

import csv
import io

import pytest

from proxy.cli.commands import calls as module
from tests.cli.commands.recorder import a_line, asked, recorder_says

pytestmark = pytest.mark.here


def test_the_newest_stands_last_with_every_attempt_and_what_failed(
    waypost, config_file
):
    failed = a_line(
        2_000.0,
        attempts=[("fe1", "timeout", 2.0), ("fe2", "200", 0.012)],
        failures=[(2_005.0, 481, "BYE")],
    )
    with recorder_says(
        config_file, {"is_on": True, "calls": [a_line(3_000.0), failed]}
    ):
        assert waypost("calls", "--json") == 0
        assert [x["seconds"] for x in waypost.json] == [0.5, 0.5]
        assert waypost("calls") == 0
    flat = " ".join(waypost.out.split())
    assert "fe1 timeout 2.0 s → fe2 200 12 ms" in flat
    assert "481 to BYE" in flat


def test_what_is_asked_for_is_handed_on(waypost, config_file):
    with recorder_says(config_file, {"is_on": True, "calls": []}) as service:
        options = ("--aor", "alice", "--failed", "--limit", "7")
        assert waypost("calls", *options) == 0
    words = asked(service)
    assert (words["aor"], words["failed"], words["limit"]) == ("alice", "1", "7")
    assert waypost.out.startswith("no call fits, as far as")


def test_csv_holds_no_formula_of_a_strangers_and_is_not_json_as_well(
    waypost, config_file
):
    line = a_line(2_000.0, sender="=cmd()")
    with recorder_says(config_file, {"is_on": True, "calls": [line]}):
        assert waypost("calls", "--csv", "--json") == 2
        assert waypost("calls", "--csv") == 0
    head, row = csv.reader(io.StringIO(waypost.out))
    assert dict(zip(head, row, strict=True))["from"] == "'=cmd()"


def test_a_service_without_a_list_says_what_to_write(waypost, config_file):
    with recorder_says(config_file, {"is_on": False, "calls": []}):
        assert waypost("calls") == 1
    assert "calls = 10000 in [recorder]" in waypost.err


def test_without_a_service_it_says_so(waypost, config_file):
    assert waypost("calls") == 1 and "is it running" in waypost.err


def test_watching_tells_each_line_once(waypost, config_file, monkeypatch):
    monkeypatch.setattr(module, "WATCH", 0.01)
    with recorder_says(
        config_file, {"is_on": True, "calls": [a_line(2_000.0)]}
    ) as told:
        assert waypost("calls", "--watch", "--seconds", "1") == 0
    assert len(waypost.out.splitlines()) == 1 and len(told.asked) > 1
    assert "INVITE" in waypost.out
