"""A plan of what nobody serves: the one that ``cutover plan`` would take."""

import pytest

from proxy.admin import control
from proxy.admin.control import ControlError, Operator
from proxy.admin.unknown import get_unknown, plan_unknown
from proxy.endpoints.changes import EndpointFields, Rules
from proxy.endpoints.plan import parse_plan
from proxy.endpoints.unknown import NOBODY
from proxy.endpoints.usage import Usage
from proxy.store import Actor, open_store

RULES = Rules(frozenset({"contoso.test", "fabrikam.test"}))


@pytest.fixture
async def operator(tmp_path):
    store = await open_store(f"sqlite:///{tmp_path}/waypost.db")
    yield Operator(store, RULES, Actor("anna", "test"), lambda: 1000.0)
    await store.close()


async def dial(operator, address, *callers, count=1):
    rows = [
        Usage(address, each, 1.0, 2.0, count, count, "", "", "tcp:10.1.1.1")
        for each in callers
    ]
    await operator.store.add_unknown(rows)


async def serve(operator, address, pool):
    await control.new_endpoint(operator, address, EndpointFields(pool))


async def planned(operator, pool=None):
    changes = parse_plan(await plan_unknown(operator, pool), "plan.toml").changes
    assert all(each.create and each.expect_pool == "" for each in changes)
    return {each.sip_address: each.pool_fqdn for each in changes}


async def test_what_most_users_dial_stands_first_and_the_nameless_last(operator):
    await dial(operator, *NOBODY, count=99)
    await dial(operator, "one@contoso.test", "a@x", count=50)
    await dial(operator, "two@contoso.test", "a@x", "b@x")
    found = await get_unknown(operator)
    assert [each.key for each in found] == [
        *("two@contoso.test", "one@contoso.test", "(others)"),
    ]
    assert [(each.users, each.requests) for each in found] == [(2, 2), (1, 50), (0, 99)]


async def test_what_has_become_an_endpoint_is_no_longer_there(operator):
    await dial(operator, "chat@contoso.test", "a@x")
    await serve(operator, "chat@contoso.test", "pool.test")
    assert await get_unknown(operator) == []


async def test_an_address_leads_where_its_namesake_does_else_to_the_only_pool(
    operator,
):
    await serve(operator, "ocschat@contoso.test", "one.test")
    await dial(operator, "ocschat@fabrikam.test", "a@x")
    await dial(operator, "chat@contoso.test", "a@x")
    assert set((await planned(operator)).values()) == {"one.test"}
    await serve(operator, "other@contoso.test", "two.test")
    with pytest.raises(ControlError, match="--pool-fqdn"):
        await plan_unknown(operator)
    assert set((await planned(operator, "Three.test.")).values()) == {"three.test"}


async def test_no_pool_at_all_has_to_be_named(operator):
    await dial(operator, "chat@contoso.test", "a@x")
    with pytest.raises(ControlError, match="no endpoint leads anywhere yet"):
        await plan_unknown(operator)
    assert await planned(operator, "p.test") == {"sip:chat@contoso.test": "p.test"}
    with pytest.raises(ControlError, match="not a"):
        await plan_unknown(operator, "not a name")


async def test_nothing_to_plan_is_an_error(operator):
    await dial(operator, *NOBODY)
    with pytest.raises(ControlError, match="nobody has dialled"):
        await plan_unknown(operator, "p.test")


async def test_hostile_names_break_no_plan(operator):
    hostile = ('a"\\b\n[[change]]@contoso.test', "x y@contoso.test", "z@gone.test")
    for each in hostile:
        await dial(operator, each, 'e"\n[[change]]@x')
    await dial(operator, "ok@contoso.test", "\n[[change]]\nsip_address = 1", "")
    assert "sip:ok@contoso.test" in await planned(operator, "p.test")
    assert "# left out: x y@contoso.test: " in await plan_unknown(operator, "p.test")
