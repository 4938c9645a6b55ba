"""What needs somebody, from what the service says of itself."""

import pytest

from proxy.console.pages.alerts import alerts_of

WELL = {"phase": "ready", "store": "ok", "pools": {}}


def end(state="healthy", name="fe1.pool.test", reason=""):
    return {"name": name, "address": "10.0.0.1", "state": state, "reason": reason}


def told(status, problem="", pools=None):
    return [(x.severity, x.text % x.values) for x in alerts_of(status, problem, pools)]


def test_a_service_that_is_well_needs_nobody():
    pools = {"pool.test": {"front_ends": [end()]}}
    assert told({**WELL, "pools": pools}) == []


def test_a_service_that_does_not_answer_is_all_that_is_told():
    (found,) = alerts_of(None, "no service answers")
    assert (found.severity, found.reason) == ("failed", "no service answers")
    assert "systemctl" in found.action


@pytest.mark.parametrize(
    ("more", "severity", "words"),
    [
        ({"phase": "draining"}, "warning", "draining"),
        ({"phase": "starting", "waits_for": "the store"}, "failed", "not started"),
        ({"cutover_problem": "read only"}, "failed", "overdue"),
        ({"store_away_since": "2026"}, "warning", "store does not answer"),
        ({"store_writable": False}, "failed", "takes no changes"),
        ({"down": {"dns": "x"}}, "warning", "begun again: dns"),
        ({"needs_restart": ["listen"]}, "warning", "in force: listen"),
        ({"certificates": [{"file": "a", "ends_in": 86_400 * 3}]}, "warning", "3 days"),
        ({"certificates": [{"file": "a", "ends_in": -5}]}, "failed", "0 days"),
        ({"conflicts": 2}, "warning", "(2 times)"),
    ],
)
def test_each_trouble_is_told_with_what_to_do(more, severity, words):
    ((found, text),) = told({**WELL, **more})
    assert found == severity
    assert words in text
    assert all(each.action for each in alerts_of({**WELL, **more}, ""))


def test_pools_the_worst_first():
    pools = {
        "a.test": {"front_ends": [end(), end("ejected", "fe2.a.test", "timeout")]},
        "b.test": {"front_ends": [], "error": "NXDOMAIN"},
        "c.test": {"front_ends": [end()], "dns_stale_for": 700.0},
    }
    found = told({**WELL, "pools": pools})
    assert found == [
        ("failed", "No front end of b.test can be used"),
        ("warning", "fe2.a.test of a.test does not answer"),
        ("warning", "DNS has been silent about c.test for a while"),
    ]
    assert told({**WELL, "pools": pools}, pools=frozenset({"c.test"})) == found[2:]


def test_a_chat_start_that_breaks_names_its_step():
    probe = {"pool": "a.test", "front_end": "fe", "success": False}
    probes = {"front_ends": [{**probe, "step": "channel", "reason": "timeout"}]}
    (found,) = alerts_of({**WELL, "chat_probe": probes}, "")
    assert found.reason == "channel: timeout"
    probes["front_ends"][0]["success"] = True
    assert alerts_of({**WELL, "chat_probe": probes}, "") == []


def test_a_silent_node_is_told_and_one_that_nobody_can_ask():
    ours = {"node": "10.0.0.5:8060", "answers": True, "problem": ""}
    silent = {"node": "10.0.0.6:8060", "answers": False, "problem": "refused"}
    unnamed = {"node": "", "answers": False, "problem": "1 of a, b cannot be asked"}
    found = alerts_of(WELL, "", None, [ours, silent, unnamed])
    assert [(x.severity, x.text % x.values, x.reason) for x in found] == [
        ("failed", "The node 10.0.0.6:8060 does not answer", "refused"),
        ("warning", "Not every node can be asked how it is", unnamed["problem"]),
    ]
    away = alerts_of(None, "no service answers", None, [ours, silent])
    assert [x.text % x.values for x in away] == [
        *("The service does not answer", "The node 10.0.0.6:8060 does not answer")
    ]
