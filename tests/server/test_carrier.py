"""Messages in, commands out: in order, and a failed command stops no other."""

from types import SimpleNamespace

import pytest

from proxy.core import commands, events
from proxy.server import carrier as module
from proxy.server.carrier import NEVER, TIMER_GRAIN, Carrier
from tests.support.messages import request
from tests.support.playbook import POOL, Playbook


class World(Playbook):
    """A carrier around the core of a playbook; the clock is the playbook's."""

    def __init__(self, **more: object) -> None:
        super().__init__(**more)
        self.out: list[str] = []
        self.undone: list[commands.Command] = []
        self.breaks: set[str] = set()
        sender = SimpleNamespace(
            send=lambda flow, data: self._did("send " + data.split(b" ")[0].decode())
        )
        self.carrier = Carrier(
            self.core,
            sender,  # type: ignore[arg-type]
            lambda record, at: self._did("access"),
            lambda command: self._did(type(command).__name__),
            lambda at: self._did(f"arm {at - self.now:g}"),
        )
        self.carrier.undone = self.undone.append

    def _did(self, what: str) -> None:
        self.out.append(what)
        if what.partition(" ")[0] in self.breaks:
            raise ZeroDivisionError

    def hears(self, data: bytes) -> None:
        self.carrier.message(self.flow("client"), data)

    def took(self) -> list[str]:
        found, self.out = self.out, []
        return found


@pytest.fixture
def world(monkeypatch) -> World:
    found = World()
    monkeypatch.setattr(module, "_monotonic", lambda: found.now)
    return found


def test_a_message_s_commands_are_carried_out_in_order(world: World) -> None:
    world.hears(request())
    assert world.took() == ["send SIP/2.0", "send INVITE"]


def test_one_that_fails_is_noted_and_said_and_the_others_go_on(world: World) -> None:
    world.breaks = {"send"}
    world.hears(request())
    assert world.took() == ["send SIP/2.0", "send INVITE"]
    assert world.carrier.faults.count == 2
    assert [type(x) for x in world.undone] == [commands.Send] * 2


def test_what_is_rare_goes_its_own_way(monkeypatch) -> None:
    world = World(unresolved=True)
    monkeypatch.setattr(module, "_monotonic", lambda: world.now)
    world.hears(request())
    assert world.took() == ["send SIP/2.0", "Resolve"]
    world.carrier.event(events.Resolved(*_nothing(world)))
    assert "send SIP/2.0" in world.took()


def _nothing(world: World):
    found = world.knows(POOL)
    return found.lookup, found


def test_one_alarm_is_set_for_the_earliest_deadline_and_only_for_an_earlier_one(world):
    world.hears(request())
    assert world.took()[-1] == "send INVITE"  # not for each message of a batch
    world.carrier.batch_ended()
    assert world.took() == ["arm 0.5"]
    world.carrier.batch_ended()
    assert world.took() == []
    world.now += 0.5
    world.carrier.expire()
    assert world.took()[0] == "send INVITE" and world.carrier.armed_for > world.now
    assert world.carrier.armed_for != NEVER


def test_a_deadline_that_is_due_is_served_a_grain_later(world: World) -> None:
    world.hears(request())
    world.now += 5.0
    world.carrier.batch_ended()
    assert world.took()[-1] == f"arm {TIMER_GRAIN:g}"


def test_the_tape_hears_messages_and_what_is_sent_but_not_what_is_ignored(world):
    told: list[str] = []
    world.carrier.tape = SimpleNamespace(  # type: ignore[assignment]
        heard=lambda *_: told.append("heard"),
        unheard=lambda: told.append("unheard"),
        sent=lambda *_: told.append("sent"),
        woke=lambda *_: told.append("woke"),
    )
    world.hears(request())
    world.carrier.event(events.Draining())
    assert told == ["heard", "sent", "sent", "woke"]
    told.clear()

    core = SimpleNamespace(ignored=0, take_commands=list)

    def ignores(*_: object) -> None:
        core.ignored += 1

    core.receive = ignores
    world.carrier._core = core  # type: ignore[assignment]
    world.hears(b"noise")
    assert told == ["heard", "unheard"]
