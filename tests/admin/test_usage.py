"""The ledger of an endpoint in one sentence, and what may be done next."""

import pytest

from proxy.admin import control, usage
from proxy.admin.control import ControlError
from proxy.admin.usage import DAY, NOT_COUNTED, UsageView, get_usage, on_several
from proxy.endpoints.changes import EndpointFields
from proxy.endpoints.model import Endpoint
from proxy.endpoints.usage import OTHERS, Usage, summarise

KEY = "chat@contoso.test"
NOW = 100.0 * DAY


def row(
    aor: str = "alice@contoso.test", days_ago: float = 0.0, key: str = KEY
) -> Usage:
    at = NOW - days_ago * DAY
    return Usage(key, aor, at, at, 3, 1, "agent", "epid", "udp:::1")


def view(*rows: Usage, days_old: float = 50.0, state: str = "active", **more):
    endpoint = Endpoint(f"sip:{KEY}", KEY, "p.test", state=state)  # type: ignore[arg-type]
    since = NOW - days_old * DAY
    summary = summarise(KEY, rows, since, NOW, usage.QUIET_DAYS)
    return UsageView(f"sip:{KEY}", endpoint, summary, rows, NOW, **more)


def test_who_uses_it_is_counted_and_nothing_advised() -> None:
    found = view(row(), row("bob@contoso.test", 3.0))
    assert found.sentence == "2 users in the last 14 days"
    assert not found.is_quiet and found.advice == ""
    assert view(row()).sentence.startswith("1 user in")


def test_after_two_weeks_of_silence_it_may_be_retired_and_then_removed() -> None:
    found = view(row(days_ago=20.0))
    assert found.sentence.startswith("0 users for 20 days, last was alice@contoso.test")
    assert found.is_quiet and "endpoint retire" in found.advice
    assert "endpoint remove" in view(row(days_ago=20.0), state="retired").advice


def test_one_that_nobody_ever_used_counts_from_its_creation() -> None:
    found = view(days_old=20.0)
    assert found.sentence == "never used in the 20 days since it was created"
    assert found.is_quiet and not view(days_old=13.0).is_quiet


def test_uses_before_it_was_made_anew_are_told_and_do_not_count() -> None:
    found = view(row(days_ago=40.0), days_old=5.0)
    assert found.sentence.startswith("never used in the 5 days since it was created; ")
    assert "last was alice@contoso.test" in found.sentence and not found.is_quiet


def test_where_nobody_counts_nothing_is_known() -> None:
    found = view(row(days_ago=20.0), is_counted=False)
    assert found.sentence.startswith(f"{NOT_COUNTED}; last counted alice@contoso.test")
    assert not found.is_quiet and found.advice == ""


def test_who_uses_several_is_named_and_those_without_a_name_are_not() -> None:
    one = view(row(), row("bob@contoso.test"), row(OTHERS))
    other = view(row(), row(OTHERS))
    assert on_several([one, other]) == ["alice@contoso.test"]


async def test_every_endpoint_has_a_ledger_removed_ones_while_they_have_rows(operator):
    await control.new_endpoint(operator, KEY, EndpointFields("p.test"))
    await operator.store.add_usage([row(key="gone@contoso.test")], [], [])
    found = await get_usage(operator, is_counted=True)
    assert [(x.address, x.state) for x in found] == [
        (f"sip:{KEY}", "active"),
        ("sip:gone@contoso.test", "removed"),
    ]
    (one,) = await get_usage(operator, "gone@contoso.test", is_counted=False)
    assert one.summary.requests == 3 and not one.is_counted
    with pytest.raises(ControlError):
        await get_usage(operator, "nobody@contoso.test", is_counted=True)


async def test_a_user_is_forgotten_everywhere(operator) -> None:
    rows = [row(), row("bob@contoso.test"), row(key="x@contoso.test")]
    await operator.store.add_usage(rows, [], [])
    assert await usage.forget_user(operator, " SIP:Alice@contoso.test") == 2
    assert [x.aor for x in await operator.store.usage()] == ["bob@contoso.test"]
    with pytest.raises(ControlError, match="is no address"):
        await usage.forget_user(operator, "alice")


async def test_a_retirement_and_its_end_are_changes(operator) -> None:
    await control.new_endpoint(operator, KEY, EndpointFields("p.test"))
    await usage.retire(operator, KEY, "Ask the help desk", what_if=True)
    (seen,) = await control.get_endpoints(operator)
    assert seen.endpoint.state == "active"
    await usage.retire(operator, KEY, "Ask the help desk")
    (seen,) = await control.get_endpoints(operator)
    assert seen.endpoint.state == "retired"
    assert seen.endpoint.retired_text == "Ask the help desk"
    await usage.activate(operator, KEY)
    (seen,) = await control.get_endpoints(operator)
    assert seen.endpoint.state == "active"
