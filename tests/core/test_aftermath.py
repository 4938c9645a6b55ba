"""Whatever waited for an event that met a bug is ended, each request with an answer."""

from types import SimpleNamespace

import pytest

from proxy.core import events
from proxy.core.aftermath import Aftermath
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from tests.support.injection import CAN_INJECT
from tests.support.messages import request
from tests.support.playbook import DOMAIN, POOL
from tests.support.registry import ALICE, Registry


def test_those_that_wait_for_dns_end_and_others_ask_again(playbook):
    play = playbook(unresolved=True)
    play.takes_faults = True
    play.send("client", request())
    play.sees("client < 100", f"resolve {POOL}")
    play.send("client", request(branch="z9hG4bK-2", call_id="2"))
    play.sees("client < 100")

    class Memory(dict):
        def get(self, key, default=None):
            raise ZeroDivisionError

    play.cached = Memory()
    play.resolves(POOL)
    play.sees("client < 500", "client < 500")
    assert len(play.faults) == 2
    play.cached = {}
    play.send("client", request(branch="z9hG4bK-3", call_id="3"))
    play.sees("client < 100", f"resolve {POOL}")


def test_one_of_a_group_that_fails_leaves_the_others_their_answers():
    """The location service fails for one of them only."""
    registry = Registry()
    registry.takes_faults = True
    for user in ("alice", "bob", "carol"):
        aor = f"sip:{user}@{DOMAIN}"
        registry.send_register(registry.contact_of("client"), aor=aor, call_id=user)
    registry.unsaved[1].ticket.changes = [None]
    before = len(registry.sent)
    registry.saves()
    statuses = [data[8:11] for _, data in registry.sent[before:]]
    assert statuses == [b"200", b"500", b"200"]
    assert registry.bound(ALICE) and registry.core.registrar.waiting == 0
    (fault,) = registry.faults
    assert fault.head.startswith(b"REGISTER ")


class Parts:
    """The parts of the core that park requests; each notes what it is told to end."""

    def __init__(self) -> None:
        self.ended: list[object] = []
        self.parked: dict[object, list[SimpleNamespace]] = {}
        note = self.ended.append
        guard = SimpleNamespace(
            end_user=lambda search, error, now: note(search),
            timer=lambda transaction, reason, error, now: note(transaction),
        )
        gives_up = SimpleNamespace(give_up=lambda what, error, now: note(what))
        self.on_stream: dict[object, list[str]] = {}
        self.aftermath = Aftermath(
            guard,  # type: ignore[arg-type]
            SimpleNamespace(parked=self.parked),  # type: ignore[arg-type]
            gives_up,  # type: ignore[arg-type]
            SimpleNamespace(on_stream=self.on_stream),  # type: ignore[arg-type]
            gives_up,  # type: ignore[arg-type]
            gives_up,  # type: ignore[arg-type]
        )

    def meets(self, event: events.Event) -> list[object]:
        self.aftermath.end_waiting(event, ZeroDivisionError(), 1.0)
        found, self.ended[:] = list(self.ended), []
        return found


@pytest.mark.skipif(not CAN_INJECT, reason="compiled code takes no stand-ins")
def test_each_event_ends_those_who_waited_for_it_and_nobody_else():
    parts, lookup = Parts(), Lookup(POOL)
    front_end = FrontEnd("tcp", "10.0.1.1", 5060, "fe1", POOL)
    ours = SimpleNamespace(waiting_for=lookup)
    gone_on = SimpleNamespace(waiting_for=None)
    parts.parked[lookup] = [ours, gone_on]
    assert parts.meets(
        events.Resolved(lookup, Resolution(lookup, {}, expires=1.0))
    ) == [ours]
    key = front_end.connection_key
    for event in (
        events.ConnectFailed(front_end, "refused", ""),
        events.FlowOpened(front_end, SimpleNamespace()),
    ):
        parts.parked[key] = [waits := SimpleNamespace(waiting_for=key)]
        assert parts.meets(event) == [waits, front_end]
    assert parts.meets(events.LookedUp("a@b")) == ["a@b"]
    assert parts.meets(events.BindingsNotSaved(["ticket"], "full")) == [["ticket"]]
    assert parts.meets(events.Draining()) == []
