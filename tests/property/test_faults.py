"""A bug anywhere in the core costs one request its success, and nothing else.

An exception is thrown at every call that these scenarios make, once and then for good.
Afterwards nothing is parked, no flag is set and no transaction is left when the timers
have run out; the requests of others are answered, and so is the one that met the bug
unless what writes answers is itself what is broken.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from proxy.core import events
from proxy.endpoints.table import EndpointTable
from proxy.sip.message import Response
from tests.support.injection import (
    CAN_INJECT,
    Call,
    Calls,
    broken,
    can_break,
    forget_what_is_kept,
    name_of,
)
from tests.support.messages import ALIAS, read, request
from tests.support.playbook import DOMAIN, POOL, endpoint
from tests.support.registry import ALICE, Registry

FOLDERS = ("core", "transaction", "location", "sip", "pools")
# What the guard itself is, and the few lines around it that nothing could guard.
SPARED = frozenset({
    "guard.py",
    "NoteFault.__init__",
    *(f"ProxyCore.{name}" for name in ("handle", "_happened", "expire", "receive")),
    "ProxyCore.take_commands", "ProxyCore.deadline",
    "Timers.deadline", "Timers.fire", "Timers._tell", "FrontEnd.connection_key",
})  # fmt: skip
BOB = f"sip:bob@{DOMAIN}"


class World(Registry):
    """A proxy with everything on, whose every turn `around` is told of."""

    def __init__(self, **more) -> None:
        super().__init__(asks_store=True, **more)
        self.takes_faults = True
        self.turn = 0
        self.asked: set[tuple[bytes, bytes, int]] = set()
        self.around: Callable[[int], AbstractContextManager] = lambda _: nullcontext()
        handle, expire = self.core.handle, self.core.expire

        def turned(act):
            def act_around(*arguments):
                self.turn += 1
                with self.around(self.turn):
                    return act(*arguments)

            return act_around

        self.core.handle, self.core.expire = turned(handle), turned(expire)

    def _note(self, line: str) -> None:
        pass

    def send(self, peer: str, data: bytes) -> bytes:
        """As ever; notes what wants an answer."""
        if data[:4] not in (b"SIP/", b"ACK "):
            asked = read(data)
            number, method = asked.cseq()
            self.asked.add((method, asked.required("call-id"), number))
        return super().send(peer, data)

    def may_answer(self, peer: str, status: int, **more) -> None:
        """The peer answers, if the request has come that far."""
        try:
            self.request_at(peer, more.get("to", ""))
        except AssertionError:
            return
        self.answer(peer, status, **more)

    def opens(self, peer: str) -> None:
        """The connection is there, if one was wanted."""
        if peer in self._connecting:
            self.connects(peer)

    def settles(self) -> None:
        """All that somebody waits for comes, badly, and all timers run out."""
        self.around = lambda _: nullcontext()
        while True:
            for peer in list(self._connecting):
                is_client = peer.startswith("client")
                self.connects(peer) if is_client else self.cannot_connect(peer)
            for host in list(self._lookups):
                self.resolves(host)
            for user in ("alice", "bob"):
                self.store_says(f"{user}@{DOMAIN}")
            if self.unsaved:
                self.saves()
            deadline = self.core.deadline()
            if deadline is None:
                return
            self.advance(deadline + 1.0 - self.now)


def udp_failover(world: World) -> None:
    world.send("client", request())
    if any(peer == "fe1" for peer, _ in world.sent):
        world.icmp("fe1")
    world.may_answer("fe2", 180)
    world.may_answer("fe2", 200)
    world.send("client", request(f"ACK {ALIAS}", branch="z9hG4bK-ack"))


def tcp_refusal(world: World) -> None:
    world.knows(POOL, "fe1", "fe2", transport="tcp")
    world.send("client", request())
    if "fe1/tcp" in world._connecting:
        world.cannot_connect("fe1/tcp")
    world.opens("fe2/tcp")
    world.may_answer("fe2/tcp", 486)
    world.send("client", request(f"ACK {ALIAS}", to=f"<{ALIAS}>;tag=pool-1"))


def cancelled(world: World) -> None:
    world.send("client", request())
    world.may_answer("fe1", 180)
    world.send("client", request(f"CANCEL {ALIAS}"))
    world.may_answer("fe1", 200, to="CANCEL")
    world.may_answer("fe1", 487, to="INVITE")
    world.send("client", request(f"ACK {ALIAS}", to=f"<{ALIAS}>;tag=pool-1"))


def subscribe_and_dns(world: World) -> None:
    world.cached.clear()
    world.send("client", request(f"SUBSCRIBE {ALIAS}"))
    world.send("bob", request(f"SUBSCRIBE {ALIAS}", branch="z9hG4bK-2", call_id="2"))
    if POOL in world._lookups:
        world.resolves(POOL, "fe1")
    world.may_answer("fe1", 202)


def silence(world: World) -> None:
    world.send("client", request(f"MESSAGE {ALIAS}"))
    world.advance(3.0)
    world.send("client", request(f"MESSAGE {ALIAS}"))
    world.advance(60.0)


def registers(world: World) -> None:
    path = "Path: <sip:10.0.2.1;lr;ob>"
    world.send_register(world.contact_of("client"), headers=(path, "Supported: path"))
    world.send_register(world.contact_of("client"), cseq=9)
    other = f"sip:carol@{DOMAIN}"
    world.send_register(world.contact_of("bob"), peer="bob", aor=other, call_id="3")
    while world.unsaved:
        world.saves()
    world.send("bob", request(f"INVITE {ALICE}", branch="z9hG4bK-3"))
    world.may_answer("edge", 480)


def looked_up(world: World) -> None:
    world.send("client", request(f"INVITE {BOB}"))
    world.send("client", request(f"INVITE {BOB}", branch="z9hG4bK-4", call_id="4"))
    world.send("client", request(f"CANCEL {BOB}", branch="z9hG4bK-4", call_id="4"))
    world.store_says(f"bob@{DOMAIN}", learned=[(BOB, POOL, endpoint().key)])
    world.may_answer("fe1", 404)


def reloads(world: World) -> None:
    world.send("client", request())
    world.table_changes(EndpointTable((endpoint(), endpoint("other"))))
    world._handle(events.NodesChanged({3: "sip:10.0.9.9:5060"}))
    world._handle(events.UsersChanged({}))
    world.may_answer("fe1", 503)
    world.may_answer("fe2", 600)


def connections_end(world: World) -> None:
    world.knows(POOL, "fe1", "fe2", transport="tcp")
    via = {"transport": "TCP"}
    world.send("client/tcp", request(**via))
    world.opens("fe1/tcp")
    world.may_answer("fe1/tcp", 180)
    world.closes("client/tcp")
    world.closes("fe1/tcp")
    world.opens("fe2/tcp")
    world.may_answer("fe2/tcp", 200)
    world.opens("client/tcp")


SCENARIOS = (udp_failover, tcp_refusal, cancelled, subscribe_and_dns, silence,
             registers, looked_up, reloads, connections_end)  # fmt: skip


def check(world: World, what: str, *, is_answered: bool) -> None:
    """Nothing is left, everybody is answered, and the next request gets through."""
    world.settles()
    core = world.core
    assert len(core.transactions) == 0, (what, core.transactions.servers)
    budget = core.transactions.budget
    assert budget.held == 0, (what, budget.held)
    assert not any(each.held for each in budget._accounts.values()), what
    parked = (
        *core.waiting.parked,
        *core.way_back.parked,
        *core.look_ups.parked,
        *core.registrar._busy,
    )
    assert not parked and len(core.timers) == 0, (what, parked)
    if is_answered:
        assert world.asked <= finals(world), (what, world.asked - finals(world))
    for number, peer in enumerate(("client", "bob")):
        before = len(world.sent)
        after = {"branch": f"z9hG4bK-after{number}", "call_id": f"after{number}"}
        world.knows(POOL, "fe1", "fe2")
        world.send(peer, request(f"MESSAGE {ALIAS}", **after))
        world.may_answer(world.sent[-1][0], 200)
        assert b"SIP/2.0 200" in world.sent[-1][1][:12], (what, world.sent[before:])
    world.register(world.contact_of("client"), cseq=100, call_id="after")
    assert world.answer_to("client").status == 200, what


def finals(world: World) -> set:
    found = set()
    for _, data in world.sent:
        if data[:4] == b"SIP/":
            answer = read(data)
            assert isinstance(answer, Response)
            if answer.status >= 200:
                number, method = answer.cseq()
                found.add((method, answer.required("call-id"), number))
    return found


def calls_of(scenario) -> list[Call]:
    """Every kind of call that the scenario makes."""
    calls = Calls(FOLDERS, SPARED)
    world = run(scenario, calls.on)
    assert not world.faults, "without a bug there is no fault"
    check(world, "nothing", is_answered=True)
    return list(calls.seen)


def run(scenario, around: Callable[[int], AbstractContextManager]) -> World:
    forget_what_is_kept()
    world = World()
    world.around = around
    scenario(world)
    return world


@pytest.mark.skipif(not CAN_INJECT, reason="compiled functions cannot be traced")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_one_exception_anywhere_costs_one_request_at_most(scenario):
    targets = calls_of(scenario)
    assert len(targets) > 50
    thrown = 0
    for target in targets:
        calls = Calls(FOLDERS, SPARED, target)
        world = run(scenario, calls.on)
        thrown += calls.was_thrown
        what = f"{name_of(target[1])} in turn {target[0]}"
        check(world, what, is_answered=True)
    # All but the few calls that a cache, warm by now, has made needless.
    assert thrown > 0.95 * len(targets)


@pytest.mark.skipif(not CAN_INJECT, reason="compiled functions cannot be traced")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_function_that_fails_throughout_a_turn_leaves_nothing_behind(scenario):
    targets = {(turn, code) for turn, code, _ in calls_of(scenario) if can_break(code)}
    assert len(targets) > 30
    for turn, code in targets:

        def around(now: int, turn=turn, code=code) -> AbstractContextManager:
            return broken(code) if now == turn else nullcontext()

        world = run(scenario, around)
        check(world, f"{name_of(code)} in turn {turn}", is_answered=False)
