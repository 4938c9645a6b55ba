"""Which front end a client of a first-hop listener is pinned to, and who is at home."""

from proxy.core import commands
from proxy.core.first_hop import affinity as module
from proxy.core.first_hop.affinity import Affinity
from proxy.pools.front_end import FrontEnd, Lookup
from proxy.sip.flow import Flow, FlowTable, Listener

TCP = Listener("tcp", "10.0.0.5", 5060)
FE1 = FrontEnd("tcp", "10.0.1.1", 5060, "fe1.test", "pool.test")
FE2 = FE1._replace(host="10.0.1.2", name="fe2.test")


class World:
    """An affinity, and what it commands."""

    def __init__(self) -> None:
        self.flows = FlowTable([TCP])
        self.out: list[commands.Command] = []
        self.affinity = Affinity(self.flows, self.out.append, 2.0)
        self.client = Flow(TCP, "10.1.0.9", 40000, 1)

    def front_end_closes(self) -> None:
        self.affinity.flow_closed(Flow(TCP, FE1.host, FE1.port, 2))


def test_a_client_stays_with_the_front_end_that_answered_first() -> None:
    world = World()
    assert world.affinity.front_end_of(world.client) is None
    world.affinity.pin(world.client, FE1)
    world.affinity.pin(world.client, FE2)
    assert world.affinity.front_end_of(world.client) == FE1
    assert world.affinity.clients_of(FE1) == [world.client]
    assert world.affinity.clients_of(FE2) == []


def test_nothing_is_kept_of_a_client_that_has_gone() -> None:
    world = World()
    world.affinity.pin(world.client, FE1)
    world.client.is_open = False
    world.affinity.flow_closed(world.client)
    world.affinity.pin(world.client, FE1)
    assert world.affinity.front_end_of(world.client) is None
    assert world.affinity.clients_of(FE1) == []


def test_a_front_end_that_closed_its_connection_is_asked_once_more() -> None:
    world = World()
    world.front_end_closes()
    assert world.out == []  # nobody is pinned to it
    world.affinity.pin(world.client, FE1)
    world.front_end_closes()
    (connect,) = world.out
    assert isinstance(connect, commands.Connect)
    assert (connect.front_end, connect.listener, connect.timeout) == (FE1, TCP, 2.0)


def test_one_with_another_open_connection_is_not_asked() -> None:
    world = World()
    world.affinity.pin(world.client, FE1)
    world.flows.add_stream(Flow(TCP, FE1.host, FE1.port, 3))
    world.front_end_closes()
    assert world.out == []


def test_the_clients_of_one_that_is_gone_are_sent_away_but_not_for_a_limit() -> None:
    world = World()
    world.affinity.pin(world.client, FE1)
    world.affinity.connect_failed(FE1, "limit")
    assert world.out == []
    world.affinity.connect_failed(FE1, "refused")
    (close,) = world.out
    assert isinstance(close, commands.Close) and close.flow is world.client


def test_homes_are_remembered_within_bounds_the_oldest_go() -> None:
    affinity, home = World().affinity, Lookup("home.test")
    others = (f"{n}@test" for n in range(module.HOMES - 2))
    for aor in ("a@test", "b@test", "a@test", *others, "c@test"):
        affinity.note_home(aor, home)
    assert affinity.home_of("b@test") is None
    assert affinity.home_of("a@test") == affinity.home_of("c@test") == home
    affinity.forget_home("c@test")
    affinity.forget_home("nobody@test")
    assert affinity.home_of("c@test") is None
