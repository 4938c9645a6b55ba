"""Every operator verb, over a real store."""

import pytest

from proxy.admin import control, cutover
from proxy.admin.control import ControlError
from proxy.config.validation import validate
from proxy.endpoints.changes import EndpointFields, Rules
from proxy.endpoints.plan import Plan, PlannedChange

POOL = "pcpool.contoso.test"


async def new(operator, user, pool=POOL, **more):
    fields = EndpointFields(pool, **more)
    return await control.new_endpoint(operator, f"{user}@contoso.test", fields)


def addresses(views):
    return [view.endpoint.key.partition("@")[0] for view in views]


async def test_new_creates_and_says_what(operator):
    outcome = await new(operator, "ocschat")
    assert outcome.lines[0] == "create endpoint sip:ocschat@contoso.test"
    (view,) = await control.get_endpoints(operator, "ocschat@contoso.test")
    assert view.endpoint.created_at == 100.0
    (row,) = await operator.store.history()
    assert (row.actor.name, row.verb) == ("alice", "endpoint.new")


async def test_what_if_checks_everything_and_writes_nothing(operator):
    fields = EndpointFields(POOL)
    outcome = await control.new_endpoint(
        operator, "a@contoso.test", fields, what_if=True
    )
    assert outcome.what_if and outcome.changes
    assert await control.get_endpoints(operator) == []
    await new(operator, "a")
    with pytest.raises(ControlError, match="exists already"):
        await control.new_endpoint(operator, "a@contoso.test", fields, what_if=True)


async def test_refusals_are_control_errors_with_exit_code_1(operator):
    for verb in (
        new(operator, "a", pool="bad"),
        control.get_endpoints(operator, "nobody"),
        control.get_endpoints(operator, filter_text="{"),
        control.get_endpoints(operator, pool_fqdn="bad"),
        control.remove_endpoint(operator, "nobody"),
        control.set_endpoint(operator, "nobody", EndpointFields()),
        control.set_pool(operator, "bad", port=1),
        control.get_pools(operator, "bad"),
    ):
        with pytest.raises(ControlError) as caught:
            await verb
        assert caught.value.exit_code == 1
    assert await operator.store.history() == []


async def test_get_finds_by_pool_by_filter_and_stops_at_a_limit(operator):
    for user in ("c", "a", "b"):
        await new(operator, user, display_name=f"Room {user}")
    await new(operator, "x", pool="other.contoso.test")
    get = control.get_endpoints
    assert addresses(await get(operator)) == ["a", "b", "c", "x"]
    assert addresses(await get(operator, pool_fqdn="PCPOOL.contoso.test")) == list(
        "abc"
    )
    assert addresses(await get(operator, filter_text="{DisplayName -eq 'room b'}")) == [
        "b"
    ]
    assert addresses(await get(operator, limit=2)) == ["a", "b"]
    assert await get(operator, limit=0) == []
    assert await get(operator, pool_fqdn="none.contoso.test") == []


async def test_get_shows_what_was_learned_through_an_endpoint(operator):
    await new(operator, "ocschat")
    await new(operator, "other")
    key = "ocschat@contoso.test"
    await operator.store.learn("sip:GC-1@contoso.test", POOL, key, 1.0)
    views = await control.get_endpoints(operator)
    assert [[each.uri for each in view.learned] for view in views] == [
        ["sip:GC-1@contoso.test"],
        [],
    ]


async def test_set_and_remove_by_display_name(operator):
    await new(operator, "ocschat", display_name="Old chat")
    outcome = await control.set_endpoint(
        operator, "old chat", EndpointFields(request_uri="keep")
    )
    assert outcome.lines[1] == "  request_uri: pool-host -> keep"
    await control.remove_endpoint(operator, "Old Chat")
    assert await control.get_endpoints(operator) == []
    again = await control.set_pool(operator, "p.test", transport="auto")
    assert again.lines == ["nothing to change"]


async def test_pools_are_listed_with_their_endpoints(operator):
    await new(operator, "ocschat")
    await control.set_pool(operator, "extra.test", transport="tls")
    views = await control.get_pools(operator)
    assert [(view.pool.fqdn, view.endpoints) for view in views] == [
        ("extra.test", []),
        (POOL, ["sip:ocschat@contoso.test"]),
    ]
    plan = Plan("plan", (PlannedChange("ocschat@contoso.test", "new.test"),))
    await cutover.apply(operator, plan, confirm_within=60.0)
    views = {view.pool.fqdn: view for view in await control.get_pools(operator)}
    assert (views[POOL].endpoints, views[POOL].pending_cutover) == ([], 1)
    assert views["new.test"].pending_cutover is None
    (unknown,) = await control.get_pools(operator, "Unknown.test")
    assert (unknown.pool.fqdn, unknown.endpoints) == ("unknown.test", [])


def test_the_rules_come_from_the_configuration():
    config = validate(
        {
            "proxy": {"domains": ["a.test"], "advertised_host": "p.a.test"},
            "listen": [{"transport": "udp", "address": "127.0.0.5:5060"}],
        }
    )
    assert control.rules_of(config) == Rules(frozenset({"a.test"}), "p.a.test")
