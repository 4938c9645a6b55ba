"""How an explanation looks: it fits, and says what differs."""

from proxy.cli.screen.explained import print_both, print_one

WAY = {
    **{"rule": "endpoint", "endpoint": "a@b.test", "pool": "old.test"},
    **{"request_uri": "sip:a@old.test", "host": "old.test", "flow": "", "problem": ""},
    "candidates": [
        {
            **{"transport": "tcp", "name": "fe1.old.test", "host": "2001:db8::1"},
            **{"port": 5060, "priority": 1, "weight": 2, "state": "ejected"},
            **{"state_for": 3.0, "reason": "refused", "next_probe_in": 4.0},
            **{"note": "", "can_be_tried": True, "patience": None},
        }
    ],
}
TOLD = {
    **{"uri": "sip:a@b.test", "from": "sip:c@b.test", "method": "INVITE"},
    **{"source": "192.0.2.1", "listener": "tcp:10.0.0.5:5060", "health_known": True},
    **{"store": "", "decided_by": "endpoint", "answer": None, "canary": None},
    **{"needs": [], "service": ""},
    "rules": [{"rule": "endpoint", "says": "decides", "why": "it is one"}],
    "budget": {
        **{"connect": 2, "silence": 2, "first_answer": 4, "total": 12},
        "failover_codes": [503],
    },
    "ways": [WAY],
}


def test_one_fits_and_names_health_and_the_next_probe(capsys):
    print_one(TOLD)
    out = capsys.readouterr().out
    assert "tcp:[2001:db8::1]:5060" in out and "ejected" in out and "in 4 s" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_statuses_are_those_of_the_pool(capsys):
    print_one({**TOLD, "ways": [{**WAY, "failover_codes": [500, 503]}]})
    assert "after 500, 503;" in " ".join(capsys.readouterr().out.split())


def test_both_stand_side_by_side_and_say_whether_they_differ(capsys):
    print_both(TOLD, TOLD, "plan.toml")
    assert "changes nothing" in capsys.readouterr().out
    after = {**TOLD, "ways": [{**WAY, "pool": "new.test"}]}
    print_both(TOLD, after, "plan.toml")
    out = capsys.readouterr().out
    assert "old.test" in out and "new.test" in out and "the plan changes it" in out
