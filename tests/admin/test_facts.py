"""Lync's facts: what they are compared with, and files that cannot be used."""

import json

import pytest

from proxy.admin import control, facts
from proxy.admin.control import ControlError
from proxy.config.validation import validate
from proxy.endpoints.changes import EndpointFields
from proxy.endpoints.model import Endpoint, Pool
from proxy.endpoints.plan import Plan, PlannedChange
from proxy.endpoints.table import EndpointTable
from proxy.facts.model import Finding


def config(**more):
    return validate(
        {
            "proxy": {"domains": ["contoso.test"], **more},
            "listen": [
                {"transport": "udp", "address": "127.0.0.5:5060"},
                {"transport": "tls", "address": "127.0.0.5:5061"},
            ],
        }
    )


NAMED = config(advertised_host="Proxy.contoso.test.")
CHAT = Endpoint("sip:chat@contoso.test", "chat@contoso.test", "Old.test")
PLAN = Plan("plan", (PlannedChange("sip:New@contoso.test", "New.test"),))


def test_active_endpoints_and_those_of_the_plan_are_compared() -> None:
    retired = Endpoint("sip:r@contoso.test", "r@contoso.test", "o", state="retired")
    table = EndpointTable([CHAT, retired], [Pool("old.test", port=5041)])
    wanted = facts.wanted_of(NAMED, table, PLAN)
    assert wanted.aliases == {
        "sip:chat@contoso.test": "old.test",
        "sip:new@contoso.test": "new.test",
    }
    assert wanted.fqdn == "proxy.contoso.test"
    assert wanted.ports == frozenset({5061}) and wanted.pool_ports == {"old.test": 5041}


@pytest.mark.parametrize(
    ("config", "table", "says"),
    [
        (NAMED, EndpointTable(), "--plan FILE"),
        (config(), EndpointTable([CHAT]), "advertised_host"),
    ],
)
def test_without_a_side_of_ours_there_is_nothing_to_compare(config, table, says):
    with pytest.raises(ControlError, match=says):
        facts.wanted_of(config, table)


def test_findings_of_no_endpoint_concern_every_one() -> None:
    found = [
        Finding(of, "name", "ok", "text") for of in ("sip:a@b", "sip:c@d", "pool.test")
    ]
    assert facts.about(found, None) == found
    assert [x.of for x in facts.about(found, "sip:a@b")] == ["sip:a@b", "pool.test"]


def test_what_cannot_be_used_has_a_code_of_its_own(tmp_path) -> None:
    file = tmp_path / "facts.json"
    for attempt in (
        lambda: facts.read_facts_file(file),
        lambda: facts.parse_facts("no json"),
    ):
        with pytest.raises(ControlError) as caught:
            attempt()
        assert caught.value.exit_code == facts.UNUSABLE
    file.write_text(json.dumps([]))
    with pytest.raises(ControlError, match=r"facts\.json"):
        facts.read_facts_file(file)


async def test_an_endpoint_is_named_by_its_address(operator) -> None:
    await control.new_endpoint(operator, "Chat@contoso.test", EndpointFields("p.test"))
    address = await facts.address_of(operator, "chat@contoso.test")
    assert address == "sip:chat@contoso.test"
    assert await facts.address_of(operator, None) is None
    with pytest.raises(ControlError):
        await facts.address_of(operator, "nobody@contoso.test")


async def test_without_facts_nothing_is_said(operator) -> None:
    assert await facts.findings_of(operator, NAMED, None) == []


def test_the_script_is_printed() -> None:
    assert "Get-Cs" in facts.script_text()
