"""The rules of a cutover, decided on tables alone."""

from dataclasses import replace

import pytest

from proxy.endpoints.address import Refused
from proxy.endpoints.canary import pool_for
from proxy.endpoints.changes import Rules
from proxy.endpoints.codec import audit_json, row_from_json, row_to_json
from proxy.endpoints.cutover import (
    Order,
    Share,
    apply_cutover,
    changed_since,
    confirm_cutover,
    roll_back_cutover,
    roll_back_overdue,
)
from proxy.endpoints.model import Cutover, Endpoint, Guard, Pool
from proxy.endpoints.plan import Plan, PlannedChange
from proxy.endpoints.table import EndpointTable

NEW = "new.test"


def endpoint(number, pool="old.test"):
    key = f"chat{number}@b.test"
    return Endpoint(f"sip:{key}", key, pool, created_at=1.0, changed_at=1.0)


def table_of(*endpoints, cutover=None):
    return EndpointTable(endpoints, cutover=cutover)


def order(*numbers, **more):
    names = ("expect_pool", "create", "no_live_binding", "display_name", "request_uri")
    fields = {name: more.pop(name) for name in names if name in more}
    changes = tuple(PlannedChange(f"chat{n}@b.test", NEW, **fields) for n in numbers)
    return Order(Plan("plan", changes), Rules(), "me", **more)


def after(table, rows):
    """The table once row changes are made."""
    endpoints, cutover = dict(table.endpoints), table.cutover
    for row in rows:
        if isinstance(row.row, Cutover):
            cutover = row.after
        elif row.after is None:
            del endpoints[row.key]
        else:
            endpoints[row.key] = row.after
    return table_of(*endpoints.values(), cutover=cutover)


def pools(table):
    return {key: each.pool_fqdn for key, each in table.endpoints.items()}


def run(table, decide):
    return after(table, decide(table))


def test_all_rows_change_in_one_list_and_come_back_in_one():
    before = table_of(endpoint(1), endpoint(2), endpoint(3))
    switched = run(before, apply_cutover(order(1, 2), 10.0))
    assert set(pools(switched).values()) == {NEW, "old.test"}
    assert switched.cutover.number == 1 and len(switched.cutover.switches) == 2
    back = run(switched, roll_back_cutover("me", 20.0))
    assert pools(back) == pools(before)
    assert back.cutover.state == "rolled-back"


def test_what_was_created_is_removed_by_the_rollback():
    switched = run(table_of(), apply_cutover(order(1, create=True), 10.0))
    assert pools(switched) == {"chat1@b.test": NEW}
    assert not run(switched, roll_back_cutover("me", 20.0)).endpoints


def test_the_rollback_restores_whole_rows_and_those_somebody_removed():
    rich = replace(endpoint(1), display_name="Chat", request_uri="keep")
    switched = run(table_of(rich), apply_cutover(order(1, display_name="X"), 10.0))
    for table in (switched, table_of(cutover=switched.cutover)):
        back = run(table, roll_back_cutover("me", 20.0, force=True))
        assert replace(back.endpoints[rich.key], changed_at=1.0) == rich


def test_a_rollback_undoes_no_later_change_without_being_told_to():
    switched = run(table_of(endpoint(1), endpoint(2)), apply_cutover(order(1, 2), 10.0))
    confirmed = run(switched, confirm_cutover("me", 15.0))
    later = replace(endpoint(2), pool_fqdn="third.test", changed_at=17.0)
    one = confirmed.endpoints["chat1@b.test"]
    for table in (switched, confirmed):
        edited = table_of(one, later, cutover=table.cutover)
        with pytest.raises(Refused, match=r"undo that, too: sip:chat2@b\.test; see"):
            run(edited, roll_back_cutover("me", 20.0))
        back = run(edited, roll_back_cutover("me", 20.0, force=True))
        assert set(pools(back).values()) == {"old.test"}
    # Somebody who has put it back himself loses nothing.
    put_back = replace(endpoint(2), changed_at=17.0)
    run(table_of(one, put_back, cutover=switched.cutover), roll_back_cutover("me", 2.0))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expect_pool": "else.test"}, "should lead to else.test"),
        ({"expect_pool": ""}, "should lead to no pool"),
        ({"bound": {"chat1@b.test": ["udp:10.1.1.1:5060"]}}, "udp:10.1.1.1:5060"),
    ],
)
def test_preconditions_that_do_not_hold_are_told(more, said):
    with pytest.raises(Refused, match=said):
        apply_cutover(order(1, **more), 10.0)(table_of(endpoint(1)))


def test_all_that_stands_against_a_cutover_is_told_at_once():
    with pytest.raises(Refused) as refusal:
        apply_cutover(order(1, 2, 3), 10.0)(table_of(endpoint(2)))
    assert len(str(refusal.value).splitlines()) == 2


def test_a_live_binding_may_be_tolerated_when_the_plan_says_so():
    told = order(1, no_live_binding=False, bound={"chat1@b.test": ["udp:10.1.1.1"]})
    assert apply_cutover(told, 10.0)(table_of(endpoint(1)))


def test_a_retired_endpoint_is_not_switched():
    retired = replace(endpoint(1), state="retired")
    with pytest.raises(Refused, match="retired"):
        apply_cutover(order(1), 10.0)(table_of(retired))


def test_what_is_so_already_is_no_cutover():
    assert apply_cutover(order(1), 10.0)(table_of(endpoint(1, NEW))) == []


def test_an_unconfirmed_cutover_stands_in_the_way_of_the_next():
    waiting = order(1, confirm_within=60.0)
    switched = run(table_of(endpoint(1), endpoint(2)), apply_cutover(waiting, 10.0))
    with pytest.raises(Refused, match="cutover 1 still waits"):
        apply_cutover(order(2), 20.0)(switched)
    confirmed = run(switched, confirm_cutover("me", 30.0))
    assert run(confirmed, apply_cutover(order(2), 40.0)).cutover.number == 2


def test_a_canary_is_sticky_and_widening_it_keeps_the_first_snapshot():
    start = table_of(endpoint(1))
    users = [f"user{n}@b.test" for n in range(1000)]
    tables = [start]
    for percent in (10, 50, 100):
        share = Share(percent)
        tables.append(run(tables[-1], apply_cutover(order(1, share=share), 10.0)))
    moved = [
        {
            user
            for user in users
            if pool_for(table.endpoints["chat1@b.test"], user) == NEW
        }
        for table in tables
    ]
    assert moved[0] == set() and moved[1] < moved[2] < moved[3] == set(users)
    assert 60 < len(moved[1]) < 140
    assert tables[3].cutover.number == 3
    assert pools(run(tables[3], roll_back_cutover("me", 20.0))) == pools(start)
    assert (
        run(tables[2], roll_back_cutover("me", 20.0)).endpoints["chat1@b.test"].canary
        is None
    )


def test_widening_a_canary_does_not_disarm_its_rollback():
    armed = order(1, share=Share(10), confirm_within=60.0)
    tenth = run(table_of(endpoint(1)), apply_cutover(armed, 10.0))
    half = run(tenth, apply_cutover(order(1, share=Share(50)), 20.0))
    assert half.cutover.confirm_by == 70.0
    later = order(1, confirm_within=90.0)
    assert run(half, apply_cutover(later, 30.0)).cutover.confirm_by == 120.0


def test_pilots_go_to_the_new_pool_and_nobody_else():
    share = Share(0, frozenset({"alice@b.test"}))
    switched = run(table_of(endpoint(1)), apply_cutover(order(1, share=share), 10.0))
    found = switched.endpoints["chat1@b.test"]
    assert pool_for(found, "alice@b.test") == NEW
    assert pool_for(found, "bob@b.test") == "old.test"
    assert switched.cutover.share == "1 pilot"


def test_a_part_of_the_users_of_what_does_not_exist_cannot_be_switched():
    with pytest.raises(Refused, match="does not exist yet"):
        apply_cutover(order(1, create=True, share=Share(10)), 10.0)(table_of())


def test_the_automatic_rollback_waits_for_its_time_and_heeds_a_confirmation():
    armed = run(
        table_of(endpoint(1)), apply_cutover(order(1, confirm_within=60.0), 10.0)
    )
    assert roll_back_overdue("clock", 69.0)(armed) == []
    assert pools(run(armed, roll_back_overdue("clock", 70.0))) == {
        "chat1@b.test": "old.test"
    }
    confirmed = run(armed, confirm_cutover("me", 69.0))
    assert roll_back_overdue("clock", 1e9)(confirmed) == []
    with pytest.raises(Refused, match="too late"):
        confirm_cutover("me", 70.0)(armed)


def test_a_deadline_is_kept_on_a_clock_that_nobody_sets_too():
    here, there = ("here", 500.0), ("there", 9e9)
    armed = run(
        table_of(endpoint(1)),
        apply_cutover(order(1, confirm_within=60.0, uptime=here), 10.0),
    )
    cutover = armed.cutover
    assert (cutover.machine, cutover.uptime_by) == ("here", 560.0)
    assert row_from_json(row_to_json(cutover)) == cutover
    assert roll_back_overdue("clock", 9e9, ("here", 559.0))(armed) == []
    assert roll_back_overdue("clock", 0.0, ("here", 560.0))(armed)
    assert roll_back_overdue("clock", 69.0, there)(armed) == []
    assert roll_back_overdue("clock", 70.0, there)(armed)
    assert run(armed, confirm_cutover("me", 9e9, ("here", 559.0))).cutover.state == (
        "confirmed"
    )
    with pytest.raises(Refused, match="too late"):
        confirm_cutover("me", 0.0, ("here", 561.0))(armed)


def test_a_wider_canary_keeps_the_deadline_on_both_clocks():
    armed = order(1, share=Share(10), confirm_within=60.0, uptime=("here", 500.0))
    tenth = run(table_of(endpoint(1)), apply_cutover(armed, 10.0))
    later = order(1, share=Share(50), uptime=("here", 510.0))
    half = run(tenth, apply_cutover(later, 20.0)).cutover
    assert (half.confirm_by, half.machine, half.uptime_by) == (70.0, "here", 560.0)
    plain = apply_cutover(order(1, uptime=("here", 5.0)), 1.0)
    unarmed = run(table_of(endpoint(1)), plain)
    assert (unarmed.cutover.machine, unarmed.cutover.uptime_by) == ("", 0.0)


@pytest.mark.parametrize("settle", [confirm_cutover, roll_back_cutover])
def test_what_is_settled_is_settled_once_and_says_by_whom(settle):
    with pytest.raises(Refused, match="there is no cutover"):
        settle("me", 1.0)(table_of())
    switched = run(table_of(endpoint(1)), apply_cutover(order(1), 10.0))
    with pytest.raises(Refused, match="already, by me at 1970"):
        settle("me", 30.0)(run(switched, settle("me", 20.0)))


def test_a_confirmed_cutover_can_still_be_rolled_back():
    switched = run(table_of(endpoint(1)), apply_cutover(order(1), 10.0))
    confirmed = run(switched, confirm_cutover("me", 20.0))
    assert pools(run(confirmed, roll_back_cutover("me", 1e9))) == {
        "chat1@b.test": "old.test"
    }


@pytest.mark.parametrize(
    "armed", [{"confirm_within": 60.0}, {"guard": Guard(5.0), "guard_for": 60.0}]
)
def test_the_pool_that_a_rollback_leads_to_stays_until_the_cutover_is_settled(armed):
    """Its front ends are resolved, judged and counted as before."""
    before = table_of(endpoint(1), endpoint(2, "Third.test"))
    switched = run(before, apply_cutover(order(1, 2, **armed), 10.0))
    assert set(switched.pools) == {NEW, "old.test", "third.test"}
    for settle in (confirm_cutover, roll_back_cutover):
        assert not run(switched, settle("me", 20.0)).pools_to_return_to
    confirmed = run(switched, confirm_cutover("me", 20.0))
    assert set(confirmed.pools) == {NEW}


def test_so_does_the_pool_of_a_canary_that_a_whole_cutover_has_widened():
    one = order(1, share=Share(10), confirm_within=60.0)
    canary = run(table_of(endpoint(1)), apply_cutover(one, 10.0))
    assert set(canary.pools) == {NEW, "old.test"}
    whole = run(canary, apply_cutover(order(1), 20.0))
    assert set(pools(whole).values()) == {NEW} and "old.test" in whole.pools


def test_a_cutover_that_nothing_rolls_back_keeps_no_pool():
    """It may stand unconfirmed for years, when the old pool is long gone."""
    switched = run(table_of(endpoint(1)), apply_cutover(order(1), 10.0))
    assert set(switched.pools) == {NEW}


def test_the_old_pool_keeps_its_settings():
    tls = Pool("old.test", "tls", 5061)
    order_ = order(1, confirm_within=60.0)
    switched = run(EndpointTable([endpoint(1)], [tls]), apply_cutover(order_, 10.0))
    table = EndpointTable([], [tls], cutover=switched.cutover)
    assert table.pools["old.test"] == tls


def test_changes_after_a_cutover_are_noticed():
    switched = run(table_of(endpoint(1), endpoint(2)), apply_cutover(order(1, 2), 10.0))
    assert changed_since(switched.cutover, switched) == []
    touched = replace(switched.endpoints["chat1@b.test"], pool_fqdn="third.test")
    later = table_of(
        touched, switched.endpoints["chat2@b.test"], cutover=switched.cutover
    )
    assert changed_since(later.cutover, later) == ["sip:chat1@b.test"]


def test_a_cutover_survives_its_row_and_the_audit_leaves_the_switches_out():
    switched = run(table_of(endpoint(1)), apply_cutover(order(1), 10.0))
    assert row_from_json(row_to_json(switched.cutover)) == switched.cutover
    assert row_from_json(audit_json(switched.cutover)).switches == ()
