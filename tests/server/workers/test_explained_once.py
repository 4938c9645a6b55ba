"""Several workers' answers to one question."""

import json

from proxy.server.workers.explained_once import joined


def answer(state, probe=None):
    row = {
        **{"transport": "udp", "host": "10.0.0.1", "port": 5060, "state": state},
        **{"state_for": 1.0, "reason": state, "ejected_for": 0.0},
        "next_probe_in": probe,
    }
    return {"decided_by": "endpoint", "ways": [{"candidates": [row]}]}


def test_the_worst_that_any_worker_knows_counts():
    reply = joined([answer("healthy"), answer("suspect", 4.0), answer("healthy")])
    (row,) = json.loads(reply.body)["ways"][0]["candidates"]
    assert (row["state"], row["reason"], row["next_probe_in"]) == ("suspect",) * 2 + (
        4.0,
    )
    assert row["workers"] == {"healthy": 2, "suspect": 1}


def test_a_question_that_is_none_and_workers_that_say_nothing():
    assert joined([{"problem": "no"}, {"problem": "no"}]).status == 400
    assert joined([]).status == 503
