"""Candidates one after the other: each has its own patience, and none is left out."""

import random
from ipaddress import ip_network

from proxy.core.first_hop.affinity import Affinity
from proxy.core.forwarding.candidates import Candidates
from proxy.core.routing.next_hops import NextHops
from proxy.core.routing.route_set import read_routes
from proxy.core.routing.target import Target
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from tests.support.messages import read, request
from tests.support.playbook import POOL, Playbook
from tests.support.registry import ALICE, Registry

POOL_LOOKUP = Lookup(POOL)


def candidates(*transports: str, fallback: bool = False) -> Candidates:
    """Those of one target whose name has a front end over each of `transports`."""
    play = Playbook(unresolved=True)
    core, flow = play.core, play.flow("client")
    groups = {
        each: ((FrontEnd(each, "10.0.1.1", 5060, "fe1", POOL),),) for each in transports
    }
    resolution = Resolution(POOL_LOOKUP, groups, expires=1e9)
    next_hops = NextHops(
        play.flows,
        core.identity,
        core.router,
        lambda lookup, now: resolution if lookup == POOL_LOOKUP else None,
        random.Random(1),
        Affinity(play.flows, lambda command: None, 2.0),
    )
    asked = read(request())
    routes = read_routes(asked, core.identity, core.tokens)
    target = Target("pool", asked.uri, lookup=POOL_LOOKUP)
    if fallback:
        target.fallback = Target("client", asked.uri, flow=flow)
    return Candidates(next_hops, asked, routes, flow, [target])


def test_what_is_refused_over_one_transport_is_tried_over_the_next():
    found = candidates("udp", "tcp")
    assert found.next_target() is not None and found.find(0.0)
    first, second, third = found.next(0.0), found.next(0.0), found.next(0.0)
    assert first is not None and second is not None and third is None
    assert (first.transport, second.transport) == ("udp", "tcp")


def test_what_a_front_end_may_have_had_goes_over_no_other_transport():
    found = candidates("udp", "tcp")
    assert found.next_target() is not None and found.find(0.0)
    assert found.next(0.0) is not None
    found.is_refused = False
    assert found.next(0.0) is None and not found.has_more


def test_the_fallback_comes_when_nobody_could_be_reached():
    found = candidates("udp", fallback=True)
    assert found.next_target() is not None and found.find(0.0)
    assert found.next(0.0) is not None and found.next(0.0) is None
    fallback = found.next_target()
    assert fallback is not None and fallback.flow is found.flow


def test_what_is_dropped_is_not_tried():
    found = candidates("udp", "tcp", fallback=True)
    assert found.next_target() is not None and found.find(0.0)
    found.drop_all()
    assert found.next(0.0) is None and found.next_target() is None


def test_each_of_several_connections_of_a_callee_has_its_own_patience():
    everybody = (ip_network("10.0.0.0/8"),)
    registry = Registry(registrar={"trusted_networks": everybody})
    for peer, q in (("client/tcp", 0.9), ("bob/tcp", 0.5), ("fe3/tcp", 0.1)):
        contact = registry.contact_of(peer)
        registry.register(f"{contact};q={q}", peer=peer, call_id=peer)
    registry.send("edge", request(f"INVITE {ALICE}"))
    registry.sees("edge < 100", "client/tcp < INVITE")
    registry.advance(8.5)
    registry.sees("4s bob/tcp < INVITE", "8s fe3/tcp < INVITE")
