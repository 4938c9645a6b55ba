"""The plan as a table: what a form says, the file, and back again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.console.pages.plans import (
    PlanRow,
    PlanTable,
    of_endpoints,
    of_facts,
    pools_of,
    table_of,
    table_of_form,
)
from proxy.endpoints.model import Canary, Endpoint
from proxy.endpoints.plan import parse_plan, read_plan
from proxy.facts.document import read_facts
from tests.facts.world import right_a

OLD, NEW = "oldpool.contoso.com", "newpool.contoso.com"


def form(*rows, **head):
    return [*head.items(), *(pair for row in rows for pair in row.items())]


def test_a_form_becomes_a_file_that_the_command_reads():
    rows = (
        {"sip_address": "sip:a@contoso.com", "pool_fqdn": NEW, "expect_pool": OLD},
        {"sip_address": "sip:b@contoso.com", "pool_fqdn": NEW, "create": "yes"},
        {"sip_address": " ", "pool_fqdn": ""},
        {
            "sip_address": "sip:c@contoso.com", "pool_fqdn": NEW,
            "display_name": 'C "x"',
            "service_uris": "sip:GC-*@contoso.com sip:d@contoso.com",
            "live": "yes",
        },
    )  # fmt: skip
    table = table_of_form(form(*rows, plan_name="weekend", confirm_within="30"))
    plan = parse_plan(table.text(), "plan.toml")
    assert (plan.name, plan.confirm_within) == ("weekend", 30)
    first, second, third = plan.changes
    assert (first.expect_pool, first.create, first.no_live_binding) == (
        OLD,
        False,
        True,
    )
    assert (second.expect_pool, second.create) == ("", True)
    assert third.display_name == 'C "x"'
    assert third.service_uris == ("sip:GC-*@contoso.com", "sip:d@contoso.com")
    assert not third.no_live_binding
    assert table_of(plan) == table


@pytest.mark.parametrize("typed", ["soon", "-1", "1e", "nan", "inf", "0x10"])
def test_minutes_that_are_no_number_are_the_readers_to_refuse(typed):
    row = {"sip_address": "sip:a@contoso.com", "pool_fqdn": NEW}
    plan = read_plan(table_of_form(form(row, confirm_within=typed)).text(), "plan")
    assert "confirm_within" in plan.problems[0]


text = st.text(max_size=40)


@given(st.lists(st.tuples(text, text, text, text), min_size=1, max_size=4), text, text)
def test_whatever_is_typed_the_file_is_toml_and_says_the_same(rows, name, within):
    typed = [
        {"sip_address": a, "pool_fqdn": b, "display_name": c, "request_uri": d}
        for a, b, c, d in rows
    ]
    table = table_of_form(form(*typed, plan_name=name, confirm_within=within))
    if not table.rows or any("\x00" in each for each in map(str, table.rows)):
        return
    plan = read_plan(table.text(), "plan.toml")  # Refused would be no TOML
    if not plan.problems:
        assert [row.sip_address for row in table.rows] == [
            each.sip_address for each in plan.changes
        ]


def test_every_active_endpoint_that_is_elsewhere_gets_a_row():
    def endpoint(name, pool, **more):
        return Endpoint(f"sip:{name}@contoso.com", f"{name}@contoso.com", pool, **more)

    there = [
        endpoint("b", OLD), endpoint("a", OLD, canary=Canary(NEW, 10)),
        endpoint("c", NEW.upper()), endpoint("d", OLD, state="retired"),
    ]  # fmt: skip
    rows = of_endpoints(there, NEW)
    assert [(row.sip_address, row.expect_pool) for row in rows] == [
        ("sip:a@contoso.com", OLD),
        ("sip:b@contoso.com", OLD),
    ]


def test_addresses_that_lync_was_asked_for_get_a_row_when_they_are_new():
    facts = read_facts(json.dumps(right_a()).encode())
    assert len(facts.aliases) >= 2
    known = [facts.aliases[0].removeprefix("sip:")]
    rows = of_facts(facts, known, NEW)
    assert [row.sip_address for row in rows] == list(facts.aliases[1:])
    assert all(row.create and row.expect_pool == "" for row in rows)
    assert pools_of(facts) == ["pcpool.contoso.com"]


def test_an_empty_table_is_no_plan():
    table = PlanTable(rows=(PlanRow("x", "y"),))
    assert "[[change]]" in table.text()
    assert table_of_form([("sip_address", ""), ("pool_fqdn", "")]).rows == ()
