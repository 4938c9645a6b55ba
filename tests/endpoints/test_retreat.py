"""What the guard puts back: all that was switched, and nothing that was edited."""

from dataclasses import replace

from proxy.endpoints.model import Cutover, Endpoint, Guard, Switch
from proxy.endpoints.retreat import GONE, KEPT, LEFT, REMOVED, roll_back_guarded
from proxy.endpoints.table import EndpointTable

OLD, NEW = "oldpool.contoso.test", "newpool.contoso.test"


def row(user: str, pool: str = OLD, **more) -> Endpoint:
    key = f"{user}@contoso.test"
    return Endpoint(f"sip:{key}", key, pool, **more)


def rolled_back(switches: list[Switch], now_there: list[Endpoint], number: int = 1):
    cutover = Cutover(
        1, "applied", "p", 0.0, "me", switches=tuple(switches), guard=Guard(5.0)
    )
    table = EndpointTable(now_there, cutover=cutover)
    decide = roll_back_guarded(number, "too many failed", "waypost (guard)", 9.0)
    changes = decide(table)
    endpoints = {e.key: e for e in now_there}
    settled = None
    for change in changes:
        if isinstance(change.row, Cutover):
            settled = change.after
        elif change.after is None:
            del endpoints[change.key]
        else:
            endpoints[change.key] = change.after
    return endpoints, settled


def switch(user: str, pool: str = NEW) -> Switch:
    return Switch(row(user), row(user, pool))


def test_every_endpoint_is_as_before_and_the_cutover_says_why():
    switches = [switch("a"), switch("b"), Switch(None, row("c", NEW))]
    there, settled = rolled_back(switches, [each.after for each in switches])
    assert {k: e.pool_fqdn for k, e in there.items()} == {
        "a@contoso.test": OLD,
        "b@contoso.test": OLD,
    }
    assert (settled.state, settled.reason) == ("rolled-back", "too many failed")
    assert (settled.settled_by, settled.guard) == ("waypost (guard)", Guard(5.0))


def test_an_edit_of_another_field_stays():
    edited = replace(row("a", NEW), display_name="Chat", state="retired")
    there, settled = rolled_back([switch("a")], [edited])
    (found,) = there.values()
    assert (found.pool_fqdn, found.display_name) == (OLD, "Chat")
    assert found.state == "retired"
    assert settled.reason == f"too many failed; {KEPT}: sip:a@contoso.test"


def test_an_endpoint_that_was_led_elsewhere_since_stays_there():
    elsewhere = row("a", "third.contoso.test")
    there, settled = rolled_back([switch("a"), switch("b")], [elsewhere, row("b", NEW)])
    assert there["a@contoso.test"] == elsewhere
    assert there["b@contoso.test"].pool_fqdn == OLD
    assert settled.reason.endswith(f"{LEFT}: sip:a@contoso.test")


def test_one_that_somebody_has_put_back_is_nothing_to_speak_of():
    there, settled = rolled_back([switch("a")], [row("a")])
    assert there["a@contoso.test"] == row("a")
    assert settled.reason == "too many failed"


def test_one_that_was_removed_is_not_made_again():
    there, settled = rolled_back([switch("a")], [])
    assert not there
    assert settled.reason.endswith(f"{REMOVED}: sip:a@contoso.test")


def test_one_that_the_cutover_made_goes_unless_it_was_led_elsewhere():
    renamed = replace(row("a", NEW), display_name="Chat")
    there, settled = rolled_back([Switch(None, row("a", NEW))], [renamed])
    assert not there and settled.reason.endswith(f"{GONE}: sip:a@contoso.test")
    elsewhere = row("a", "third.contoso.test")
    there, settled = rolled_back([Switch(None, row("a", NEW))], [elsewhere])
    assert there == {"a@contoso.test": elsewhere}
    assert settled.reason.endswith(f"{LEFT}: sip:a@contoso.test")


def test_another_cutover_or_one_that_is_settled_is_left_alone():
    there, settled = rolled_back([switch("a")], [row("a", NEW)], number=2)
    assert settled is None and there["a@contoso.test"].pool_fqdn == NEW
