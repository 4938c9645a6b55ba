"""The search of RFC 3261 section 16.6: DNS on the way, and how it ends."""

from proxy.core import events
from proxy.pools.front_end import Lookup, Resolution
from tests.support.messages import ALIAS, line_of, request

INVITE = request()


def test_the_whole_search_ends_after_twelve_seconds(playbook):
    play = playbook(front_ends=("fe1", "fe2", "fe3", "edge"))
    play.send("client", INVITE)
    play.sees("client < 100", "fe1 < INVITE")
    for turn, (this, following) in enumerate([("fe1", "fe2"), ("fe2", "fe3")], 1):
        play.advance(2.0)
        play.sees(*[f"{this} < INVITE"] * 2, f"{2 * turn}s {following} < INVITE")
    play.advance(2.0)
    play.sees(*["fe3 < INVITE"] * 2, "6s edge < INVITE")
    play.advance(6.0)
    play.sees(*["edge < INVITE"] * 3, "12s client < 504")


def test_a_name_that_is_not_known_yet_is_looked_up(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.send("bob", request(branch="z9hG4bK-b", call_id="b"))
    play.sees("bob < 100")
    play.resolves("pcpool.contoso.test", "fe1", "fe2")
    play.sees("fe1 < INVITE", "fe1 < INVITE")


def test_a_name_that_does_not_exist_is_a_504_with_the_cause(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.resolves("pcpool.contoso.test")
    play.sees("client < 504")
    assert b"1008" in line_of(play.last("client"), "ms-diagnostics")


def dns_fails(play, reason: str = "no answer") -> None:
    """DNS gives no answer, and the resolver does not remember it."""
    lookup = Lookup("pcpool.contoso.test")
    failed = Resolution(lookup, {}, expires=0.0, error="timeout", reason=reason)
    play._handle(events.Resolved(lookup, failed))


def test_a_name_server_that_is_out_of_order_is_asked_again(playbook):
    """And not at once: a resolver that is too busy would be asked for ever."""
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    dns_fails(play)
    play.sees()
    play.advance(1.0)
    play.sees("1s resolve pcpool.contoso.test")
    play.resolves("pcpool.contoso.test", "fe1", "fe2")
    play.sees("fe1 < INVITE")
    play.advance_quietly(4.0)
    play.answer("fe2", 200)
    play.sees("client < 200")


def test_a_failure_that_is_remembered_is_waited_for(playbook):
    play = playbook(unresolved=True)
    lookup = Lookup("pcpool.contoso.test")
    failed = Resolution(lookup, {}, expires=1e9, error="timeout", reason="SERVFAIL")
    play.cached[lookup] = failed
    play.send("client", INVITE)
    play.sees("client < 100")
    play.advance(2.0)
    play.sees()
    play.knows("pcpool.contoso.test", "fe1")
    play.advance(1.0)
    play.sees("3s fe1 < INVITE")


def test_a_name_server_that_stays_out_of_order_is_a_504_with_the_cause(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    for second in range(1, 12):
        dns_fails(play, "SERVFAIL")
        play.advance(1.0)
        play.sees(f"{second}s resolve pcpool.contoso.test")
    dns_fails(play, "SERVFAIL")
    play.sees("11s client < 504")
    assert b'cause="SERVFAIL"' in line_of(play.last("client"), "ms-diagnostics")


def test_a_cancel_while_dns_is_out_of_order_ends_the_call(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    dns_fails(play)
    play.send("client", request(f"CANCEL {ALIAS}"))
    play.sees("client < 200", "client < 487")
    play.advance(5.0)
    play.sees(*["client < 487"] * 3)


def test_waiting_for_dns_is_inside_the_budget(playbook):
    play = playbook(unresolved=True)
    play.send("client", INVITE)
    play.sees("client < 100", "resolve pcpool.contoso.test")
    play.advance(12.0)
    play.sees("12s client < 504")
    play.resolves("pcpool.contoso.test", "fe1")
    play.sees()
