"""One view of a pool out of those of the workers."""

from proxy.admin.observed.pools_once import joined_pool, joined_pools


def row(state="healthy", calls=0, **more):
    return {
        "name": "fe1",
        "transport": "tcp",
        "address": "192.0.2.1",
        "port": 5060,
        "state": state,
        "reason": "refused" if state != "healthy" else "",
        "state_for": 1.0,
        "since": None,
        "ejected_for": 0.0,
        "next_probe_in": None,
        "certificate_ends": None,
        "calls": calls,
        "failed": 0,
        "failed_in_dialogs": 0,
        "transitions": [],
        **more,
    }


def view(*rows, error=""):
    return {"error": error, "panic": False, "panics": 1, "front_ends": list(rows)}


def only(*views):
    return joined_pool(views)["front_ends"][0]


def test_the_worst_that_any_worker_knows_is_shown_with_its_reason():
    found = only(view(row()), view(row("suspect")), view(row("healthy")))
    assert (found["state"], found["reason"]) == ("suspect", "refused")


def test_calls_are_added_up():
    assert only(view(row(calls=2)), view(row(calls=3, failed=1)))["calls"] == 5


def test_what_one_worker_alone_knows_is_known():
    found = only(view(row()), view(row(next_probe_in=3.0, certificate_ends="2030")))
    assert found["next_probe_in"] == 3.0
    assert found["certificate_ends"] == "2030"


def test_a_change_that_several_have_noted_is_one():
    told = {"at": "2026-01-01T00:00:01", "state": "ejected", "reason": "refused"}
    own = {"at": "2026-01-01T00:00:00", "state": "suspect", "reason": "refused"}
    found = only(view(row(transitions=[told])), view(row(transitions=[own, told])))
    assert found["transitions"] == [own, told]


def test_a_worker_that_has_not_resolved_the_pool_hides_nothing():
    found = joined_pool([view(error="not resolved yet"), view(row())])
    assert found["error"] == ""
    assert found["front_ends"][0]["name"] == "fe1"


def test_no_worker_no_view():
    assert joined_pool([]) is None


def test_the_pools_of_a_status_have_no_details():
    short = {name: row()[name] for name in ("name", "transport", "address", "port")}
    pools = [
        {"pcpool": view({**short, "state": state, "reason": "", "state_for": 0.0})}
        for state in ("healthy", "ejected")
    ]
    assert joined_pools(pools)["pcpool"]["front_ends"][0]["state"] == "ejected"
