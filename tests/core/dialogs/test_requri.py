"""A service URI is learned from the front end of its dialog, and is nobody else's."""

import pytest

from proxy.core import events
from proxy.core.dialogs.requri import REFUSALS
from proxy.endpoints.model import Canary, LearnedUri
from proxy.endpoints.table import MOST_LEARNED, EndpointTable
from tests.support.dialogs import CALLER, Call
from tests.support.messages import ALIAS, request
from tests.support.playbook import DOMAIN, OTHER_POOL, POOL, endpoint
from tests.support.registry import ALICE, Registry

GC = f"sip:GC-1-Service@{DOMAIN}"
KEY = GC.removeprefix("sip:").lower()


def requri(uri: str = GC) -> bytes:
    """The lookup server's answer, as far as the proxy reads it."""
    return f'<xccos><rpl id="rpl:requri"><uib uri="{uri}"/></rpl></xccos>'.encode()


def hand_out(call: Call, uri: str = GC, **more) -> list[str]:
    """An INFO of the callee names a service URI; what was made of that."""
    seen = call.down("INFO", body=requri(uri), **more).split("; ")
    return [x for x in seen if x.startswith(("learn", "refuse"))]


LEARNED = [f"learn {GC} {POOL}"]


def test_the_front_end_of_the_dialog_is_believed(play):
    assert hand_out(Call(play)) == LEARNED


def test_so_is_one_that_opens_a_connection_of_its_own(playbook):
    play = playbook(transport="tcp")
    call = Call(play, callee="fe1/tcp")
    play.closes("fe1/tcp")
    flow = play.flow("fe1/tcp")
    flow.port = 49_152
    assert hand_out(call) == LEARNED


def test_another_port_of_its_address_is_not(play):
    """The address of a datagram is easy to forge."""
    call = Call(play)
    flow = play.flows.udp(play.flows.listeners[0], "10.0.1.1", 24777)
    info = request(
        "INFO sip:alice@contoso.test",
        *(f"Route: {x}" for x in call.down_routes),
        body=requri(),
        via="SIP/2.0/UDP 10.0.1.1:24777;branch=z9hG4bK-forged",
        from_=f"<{ALIAS}>;tag=pool-1",
        to=CALLER,
    )
    play._handle(events.MessageReceived(flow, info))
    play.sees("client < INFO")


@pytest.mark.parametrize("peer", ["fe1/tcp", "fe2", "client", "stranger", "edge"])
def test_nobody_else_is(playbook, peer):
    call = Call(playbook())
    assert hand_out(call, peer=peer) == []


def test_the_callers_token_teaches_nothing(play):
    call = Call(play)
    for peer in ("client", "fe1", "fe2"):
        seen = call.up("INFO", peer=peer, body=requri())
        assert "learn" not in seen


def test_only_a_pool_of_the_endpoint_is_believed(playbook):
    play = playbook(endpoints=(endpoint(), endpoint("other", OTHER_POOL)))
    play.knows(OTHER_POOL, "fe3")
    call = Call(play, uri=f"sip:other@{DOMAIN}", callee="fe3")
    assert hand_out(call) == [f"learn {GC} {OTHER_POOL}"]
    play.core.router.front_ends["10.0.1.3"] = POOL
    assert hand_out(call, f"sip:another@{DOMAIN}") == []


def test_the_pool_of_the_pilots_is_the_endpoints_too(playbook):
    canary = Canary(OTHER_POOL, 100)
    play = playbook(endpoints=(endpoint(canary=canary),))
    play.knows(OTHER_POOL, "fe3")
    assert hand_out(Call(play, callee="fe3")) == [f"learn {GC} {OTHER_POOL}"]


# -- whose address it is -------------------------------------------------------------


def test_a_registered_address_stays_its_users():
    registry = Registry()
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    assert hand_out(Call(registry), ALICE) == [f"refuse {ALICE} registered"]
    registry.send("client", request(f"MESSAGE {ALICE}", branch="z9hG4bK-m"))
    registry.sees("bob < MESSAGE sip:alice@10.1.0.10:40001")


def test_the_address_of_a_user_who_is_not_there_stays_the_users():
    registry = Registry()
    registry._handle(events.UsersChanged({"alice": {}, "carol@contoso.test": {}}))
    call = Call(registry)
    for name in ("alice", "carol", "CAROL"):
        uri = f"sip:{name}@{DOMAIN}"
        assert hand_out(call, uri) == [f"refuse {uri} user"]


def test_who_registers_a_learned_uri_has_it_from_then_on():
    registry = Registry()
    assert hand_out(Call(registry), ALICE)
    registry.send("client", request(f"MESSAGE {ALICE}", branch="z9hG4bK-1m"))
    registry.sees("use alice@contoso.test", "fe1 < MESSAGE")
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    registry.send("client", request(f"MESSAGE {ALICE}", branch="z9hG4bK-2m"))
    registry.sees("bob < MESSAGE sip:alice@10.1.0.10:40001")


def test_an_endpoint_is_never_learned(play):
    assert hand_out(Call(play), ALIAS) == []


def test_a_service_uri_of_another_endpoint_stays_its(playbook):
    other = endpoint("other", OTHER_POOL, service_uris=("sip:GC-*@contoso.test",))
    call = Call(playbook(endpoints=(endpoint(), other)))
    assert hand_out(call) == [f"refuse {GC} other endpoint"]


def test_a_uri_that_another_endpoint_has_learned_stays_its(playbook):
    learned = LearnedUri(GC, KEY, OTHER_POOL, f"other@{DOMAIN}", 0.0, 0.0)
    other = endpoint("other", OTHER_POOL)
    call = Call(playbook(endpoints=(endpoint(), other), learned=(learned,)))
    assert hand_out(call) == [f"refuse {GC} other endpoint"]


def test_one_of_an_endpoint_that_is_gone_may_be_learned_anew(playbook):
    learned = LearnedUri(GC, KEY, OTHER_POOL, f"gone@{DOMAIN}", 0.0, 0.0)
    assert hand_out(Call(playbook(learned=(learned,)))) == LEARNED


def test_an_endpoint_has_so_many_and_no_more(playbook):
    learned = tuple(
        LearnedUri(f"sip:{n}@{DOMAIN}", f"{n}@{DOMAIN}", POOL, endpoint().key, 0.0, 0.0)
        for n in range(MOST_LEARNED)
    )
    play = playbook(learned=learned)
    call = Call(play)
    assert hand_out(call) == [f"refuse {GC} limit"]
    assert hand_out(call, f"sip:7@{DOMAIN}") == []
    assert play.core.router.uris_refused == 1


def test_every_refusal_has_a_sentence():
    assert all(REFUSALS.values())


# -- two pools that hand out the same address -----------------------------------------

ROWS = tuple(
    LearnedUri(GC, KEY, pool, endpoint().key, at, at)
    for at, pool in ((1.0, POOL), (2.0, OTHER_POOL))
)


def calls(play, uri: str, user: str) -> str:
    """Which front end an INVITE of this user arrives at."""
    caller = f"<sip:{user}@{DOMAIN}>;tag=1"
    number = len(play.sent)
    data = request(
        f"INVITE {uri}",
        from_=caller,
        branch=f"z9hG4bK-{number}",
        call_id=f"{user}-{number}",
    )
    play.send("client", data)
    play._script.clear()
    return next(p for p, sent in reversed(play.sent) if sent.startswith(b"INVITE"))


@pytest.mark.parametrize("percent", [0, 1, 35, 99, 100])
@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]])
def test_a_callers_service_uri_goes_where_its_alias_went(playbook, percent, rows):
    pilots = frozenset({f"pilot@{DOMAIN}"})
    canary = Canary(OTHER_POOL, percent, pilots)
    play = playbook(endpoints=(endpoint(canary=canary),), learned=rows)
    play.knows(OTHER_POOL, "fe3")
    users = ["pilot", *(f"user{n}" for n in range(60))]
    went = {user: calls(play, ALIAS, user) for user in users}
    assert {user: calls(play, GC, user) for user in users} == went
    assert went["pilot"] == "fe3"
    if percent in (35, 100):
        assert set(went.values()) == ({"fe3"} if percent == 100 else {"fe1", "fe3"})


def test_so_does_one_that_the_endpoint_names(playbook):
    pilots = frozenset({f"pilot@{DOMAIN}"})
    named = endpoint(
        canary=Canary(OTHER_POOL, 0, pilots), service_uris=("sip:gc-*@contoso.test",)
    )
    play = playbook(endpoints=(named,))
    play.knows(OTHER_POOL, "fe3")
    assert [calls(play, GC, user) for user in ("pilot", "alice")] == ["fe3", "fe1"]


def test_one_that_the_other_pool_alone_has_handed_out_stays_there(playbook):
    """Whoever looked it up before the percentage rose still holds it."""
    canary = Canary(OTHER_POOL, 100)
    play = playbook(endpoints=(endpoint(canary=canary),), learned=ROWS[:1])
    play.knows(OTHER_POOL, "fe3")
    assert calls(play, ALIAS, "alice") == "fe3"
    assert calls(play, GC, "alice") == "fe1"


def test_after_the_switch_all_go_to_the_new_pool(playbook):
    play = playbook(endpoints=(endpoint(pool=OTHER_POOL),), learned=ROWS)
    play.knows(OTHER_POOL, "fe3")
    assert calls(play, GC, "alice") == "fe3"


def test_each_pool_is_learned_of_its_own(playbook):
    canary = Canary(OTHER_POOL, 0, frozenset({f"alice@{DOMAIN}"}))
    play = playbook(endpoints=(endpoint(canary=canary),), learned=ROWS[:1])
    play.knows(OTHER_POOL, "fe3")
    call = Call(play, callee="fe3")
    assert hand_out(call) == [f"learn {GC} {OTHER_POOL}"]
    assert hand_out(call) == []
    assert calls(play, GC, "alice") == "fe3" and calls(play, GC, "bob") == "fe1"
    # The store may be a moment behind, with the other pool's row alone.
    play.table_changes(play.table)
    assert calls(play, GC, "alice") == "fe3" and calls(play, GC, "bob") == "fe1"


@pytest.mark.parametrize("knows", [True, False])
def test_another_node_may_have_heard_it_from_the_callers_pool(playbook, knows):
    canary = Canary(OTHER_POOL, 100)
    play = playbook(
        endpoints=(endpoint(canary=canary),), learned=ROWS[:1], asks_store=True
    )
    play.knows(OTHER_POOL, "fe3")
    play.send("client", request(f"INVITE {GC}"))
    play.sees(f"look up {KEY}")
    claims = [(GC, POOL, endpoint().key), (GC, OTHER_POOL, endpoint().key)]
    play.store_says(KEY, learned=claims if knows else claims[:1])
    there = "fe3" if knows else "fe1"
    play.sees("client < 100", f"use {KEY}", f"{there} < INVITE")
    play.answer(there, 200)
    play.sees("client < 200")
    play.send("client", request(f"INVITE {GC}", branch="z9hG4bK-2", call_id="2"))
    again = ["client < 100", f"use {KEY}", "fe3 < INVITE"]
    play.sees(*(again if knows else [f"look up {KEY}"]))
    if not knows:
        play.store_says(KEY)
        play.sees("client < 100", f"use {KEY}", "fe1 < INVITE")


def test_an_address_remembers_a_few_pools_and_the_newest(playbook):
    table = EndpointTable(
        (endpoint(),),
        learned=[
            LearnedUri(GC, KEY, f"p{n}.contoso.test", endpoint().key, n, n)
            for n in (3.0, 9.0, 1.0, 7.0, 5.0)
        ],
    )
    pools = [row.pool_fqdn for row in table.learned[KEY]]
    assert pools == [f"p{n}.contoso.test" for n in (9.0, 7.0, 5.0, 3.0)]
