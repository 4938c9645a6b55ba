"""Whatever waited for an event that met a bug is ended, each request with an answer."""

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
