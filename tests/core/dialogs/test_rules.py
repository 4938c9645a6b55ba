"""Nobody but the other end of a dialog is reached with what a dialog hands out.

Whoever has called somebody once holds a token.  With it, from anywhere, that one can be
reached again and nobody else: the checks below try every part of a request.
"""

from itertools import product

import pytest

from proxy.core.tokens import TokenBox, caller_mark
from proxy.pools.front_end import Lookup
from tests.support.dialogs import Call
from tests.support.messages import ALIAS, line_of, request
from tests.support.playbook import HOSTS, OTHER_POOL, POOL, endpoint
from tests.support.registry import ALICE, Registry

INSIDE = "10.66.6.6"
VICTIMS = [
    f"sip:x@{INSIDE}",
    f"sip:x@{INSIDE}:6379;transport=tcp",
    f"sip:{INSIDE}:6379;transport=tcp",
    f"sips:x@{INSIDE}",
    "sip:x@[2001:db8::66]:25;transport=tcp",
    "sip:x@intranet.example",
    f"sip:x@intranet.example;maddr={INSIDE}",
    f"sip:x@{HOSTS['fe1']}:22;transport=tcp",
    f"sip:x@{HOSTS['fe1']}:5060;transport=tcp",
    f"sip:x@{HOSTS['client']}:40000",
    f"sip:x@10.0.0.5;maddr={INSIDE}",
]
METHODS = ["SET", "ACK", "BYE", "INFO", "INVITE", "MESSAGE", "REGISTER"]
PEERS = ["client", "stranger", "fe1"]
CONTACT = "<sip:alice@10.1.0.9:40000>"


def reached(seen: str) -> bool:
    """Whether anything left for where it must not go."""
    return any(x in seen for x in (INSIDE, "connect", "resolve", "2001:db8"))


@pytest.fixture
def call(playbook):
    """One call of one endpoint, whose front end says where it is."""
    play = playbook()
    return Call(play, contact=CONTACT, their_contact=f"<sip:x@{HOSTS['fe1']}>")


def victims(uris=VICTIMS):
    return list(product(uris, METHODS, PEERS))


@pytest.mark.parametrize("victim", VICTIMS)
def test_the_callers_token_leads_to_no_other_uri(call, victim):
    for method, peer in product(METHODS, PEERS):
        seen = call.up(method, peer=peer, uri=victim, body=b"FLUSHALL")
        # Our own pool may be named, and then its own port counts.
        to_pool = seen.startswith(f"fe1 < {method}") and HOSTS["fe1"] in victim
        if method == "ACK":
            assert seen == "" or to_pool
        else:
            assert seen == f"{peer} < 403 Forbidden" or to_pool, (method, peer)


@pytest.mark.parametrize("victim", VICTIMS)
def test_nor_along_another_route(call, victim):
    route = f"<{victim};lr>"
    for peer in PEERS:
        for routes in ([*call.up_routes, route], [route, *call.up_routes]):
            seen = call.up("INFO", peer=peer, routes=routes)
            # An entry of ours that says nothing is taken off, whatever its maddr.
            named = (HOSTS["fe1"], "sip:x@10.0.0.5")
            at_pool = seen.startswith("fe1 < INFO") and any(x in victim for x in named)
            assert seen == f"{peer} < 403 Forbidden" or at_pool


@pytest.mark.parametrize("victim", VICTIMS)
def test_nor_by_the_ways_of_a_strict_router(call, victim):
    ours = call.up_routes[0].strip("<>")
    for routes in ([f"<{victim}>"], [f"<{victim}>", "<sip:10.0.1.1;lr>"]):
        assert not reached(call.up("INFO", peer="stranger", uri=ours, routes=routes))


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_restart_opens_nothing(call, playbook, victim):
    call.play = playbook()
    seen = call.up("INFO", peer="stranger", uri=victim)
    assert seen == "stranger < 403 Forbidden" or (
        seen.startswith("fe1 < INFO") and HOSTS["fe1"] in victim
    )


@pytest.mark.parametrize("victim", VICTIMS)
def test_the_callees_token_in_other_hands_leads_to_the_caller_alone(call, victim):
    """Callers never see it; suppose that one does."""
    for method, peer in product(METHODS, ["client", "stranger"]):
        seen = call.down(method, peer=peer, uri=victim, body=b"FLUSHALL")
        if victim.startswith("sips"):
            assert seen in ("", f"{peer} < 480 Temporarily Unavailable")
            continue
        assert seen.startswith((f"client < {method}", f"fe1 < {method}")), seen
        assert not reached(seen) or seen.startswith("client < ")


@pytest.mark.parametrize("victim", VICTIMS[:3])
def test_what_the_callee_may_send_to_a_caller_that_moved_is_sip(call, victim):
    assert call.down("SET", uri=victim).startswith("client < SET")


def test_a_caller_that_closed_its_connection_opens_no_way_for_others(playbook):
    play = playbook()
    contact = "<sip:alice@10.1.0.9:40000;transport=tcp>"
    call = Call(play, "client/tcp", contact=contact)
    play.closes("client/tcp")
    for victim in VICTIMS:
        for routes in (call.up_routes, call.down_routes):
            seen = call.down("INFO", peer="stranger", uri=victim, routes=routes)
            assert not reached(seen), victim


def test_a_caller_whose_contact_is_somebody_elses_is_reached_there_or_nowhere(play):
    call = Call(
        play,
        "edge",
        contact="<sip:alice@10.1.0.9:40000>",
        via="SIP/2.0/UDP 10.0.2.1:5060;branch=z9hG4bK-e",
    )
    assert call.down("INFO").startswith("client < INFO")
    for victim in VICTIMS[:6]:
        seen = call.down("INFO", peer="stranger", uri=victim)
        assert seen == "stranger < 403 Forbidden"


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE", "SET", "ACK"])
def test_outside_a_dialog_a_token_is_worth_nothing(call, method):
    for routes in (call.up_routes, call.down_routes):
        to = f"<sip:x@{INSIDE}>"
        seen = call.up(method, peer="stranger", uri=VICTIMS[0], to=to, routes=routes)
        assert seen == ("" if method == "ACK" else "stranger < 403 Forbidden")


# -- one purpose each ----------------------------------------------------------------


def users(call):
    """The user parts of the entries of both ends."""
    return [
        route.partition("sip:")[2].partition("@")[0]
        for route in (*call.up_routes, *call.down_routes)
    ]


@pytest.mark.parametrize("form", ["{}~x", "{}~", "x~{}", "{}.", "{}.00000000", "{}A"])
def test_another_form_of_a_token_is_as_good_as_forged(call, form):
    for user in users(call):
        routes = [f"<sip:{form.format(user)}@10.0.0.5:5060;lr>"]
        seen = call.up("INFO", routes=routes)
        assert seen == "client < 403 Forbidden"
        assert b" 1004;" in line_of(call.play.last("client"), "ms-diagnostics")


def test_a_record_route_is_no_contact(call):
    for user in users(call):
        seen = call.up(
            *("INFO", f"Contact: {CONTACT}"),
            uri=f"sip:{user}~x@10.0.0.5:5060",
            routes=[],
            peer="stranger",
        )
        assert seen == "stranger < 404 Not Found"


def test_neither_a_contact_nor_a_binding_is_a_record_route(call):
    play = call.play
    tokens: TokenBox = play.core.tokens
    flow = play.flow("client")
    for token in (tokens.make_contact(flow), tokens.make(flow)):
        for form in ("{}", "{}~x", "{}~"):
            user = form.format(token.decode())
            routes = [f"<sip:{user}@10.0.0.5:5060;lr>"]
            seen = call.up("INFO", peer="stranger", uri=VICTIMS[0], routes=routes)
            assert seen.startswith("stranger < 4")


def test_each_end_has_the_token_of_the_other_alone(call):
    up, down = users(call)
    tokens = call.play.core.tokens
    assert tokens.open(up.encode()).purpose != tokens.open(down.encode()).purpose
    assert down not in call.answer.decode()


# -- dialogs of before an upgrade ----------------------------------------------------


def old(play, flow, tag: bytes) -> list[str]:
    """The Record-Route of the form that earlier versions wrote."""
    token = play.core.tokens.make(flow, tag).decode()
    mark = caller_mark(b"alice-1").decode()
    return [f"<sip:{token}.{mark}@10.0.0.5:5060;lr>"]


def test_an_old_record_route_leads_to_the_caller_and_to_our_pools(call):
    play = call.play
    routes = old(play, play.flow("client"), endpoint().tag)
    assert call.down("INFO", routes=routes).startswith("client < INFO")
    assert call.up("INFO", routes=routes).startswith("fe1 < INFO")
    assert call.up("INFO", routes=routes, uri=ALIAS).startswith("fe1 < INFO")
    assert call.up("INFO", routes=routes, uri=f"sip:x@{POOL}").startswith("fe1 < INFO")


def test_an_old_record_route_leads_nowhere_else(playbook):
    play = playbook()
    call = Call(play, "client/tcp", contact=CONTACT)
    routes = old(play, play.flow("client/tcp"), endpoint().tag)
    for victim in VICTIMS:
        if HOSTS["fe1"] in victim or victim.startswith("sips"):
            continue
        seen = call.up("INFO", uri=victim, routes=routes)
        assert seen in ("client/tcp < 481 Call/Transaction Does Not Exist",) or (
            seen.startswith("client/tcp < 4")
        )
        assert call.down("INFO", uri=victim, routes=routes).startswith("client/tcp < I")
    play.closes("client/tcp")
    play._script.clear()
    for victim in VICTIMS:
        seen = call.down("INFO", uri=victim, routes=routes)
        assert seen == "fe1 < 480 Temporarily Unavailable"


# -- what stays open -----------------------------------------------------------------


@pytest.mark.parametrize("peer", PEERS)
def test_the_callee_itself_can_be_reached_again_from_anywhere(call, peer):
    """So it can by dialling the alias."""
    assert call.up("FROBNICATE", peer=peer).startswith("fe1 < FROBNICATE")


def test_another_pool_of_ours_may_be_named(playbook):
    play = playbook(endpoints=(endpoint(), endpoint("other", OTHER_POOL)))
    play.knows(OTHER_POOL, "fe3")
    call = Call(play, contact=CONTACT)
    seen = call.up("INFO", uri=f"sip:x@{OTHER_POOL}:22;transport=tcp")
    assert seen.startswith("fe3 < INFO"), "at its own port"


def test_the_default_route_may_be_named(playbook):
    play = playbook(default_route=b"sip:10.0.2.1:5060")
    call = Call(play, contact=CONTACT)
    assert call.up("INFO", uri="sip:x@10.0.2.1:22").startswith("edge < INFO")
    assert Lookup("10.0.2.1", 5060) == play.core.router.default_lookup


def test_who_is_registered_may_move_as_a_callee_and_a_stranger_may_not():
    registry = Registry(endpoints=())
    registry.register("<sip:alice@10.1.0.10:40001>", peer="bob")
    call = Call(registry, uri=ALICE, callee="bob", contact=CONTACT)
    moved = f"sip:alice@{HOSTS['fe3']}:5060"
    assert call.down("BYE", uri=moved).startswith("fe3 < BYE")
    assert call.down("BYE", uri=moved, peer="stranger").startswith("client < BYE")


def test_nobody_is_called_by_a_made_up_to_tag(play):
    data = request(f"SET {VICTIMS[1]}", to=f"<{ALIAS}>;tag=made-up")
    play.send("stranger", data)
    play.sees("stranger < 403")
