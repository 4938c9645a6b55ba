"""A bug met by one message: it is answered, told once, and everybody else goes on.

Here the bug sits in what the core is handed (the resolver's memory), so that the
compiled build meets it as well; tests/property/test_faults.py puts it everywhere.
"""

import pytest

from tests.support.messages import ALIAS, line_of, request
from tests.support.playbook import DOMAIN, Playbook
from tests.support.registry import Registry

SECRET = 'Authorization: Digest username="alice", response="0123456789abcdef"'


@pytest.fixture
def play():
    """A playbook that takes faults, and whose resolver fails while `is_broken`."""
    play = Playbook()
    cached = play.cached

    class Memory(dict):
        is_broken = False

        def get(self, key, default=None):
            if self.is_broken:
                raise ZeroDivisionError("the resolver's memory")
            return super().get(key, default)

    play.cached = Memory(cached)
    play.takes_faults = True
    yield play
    play.finish()


def test_the_request_gets_500_and_one_line_with_its_head(play):
    play.cached.is_broken = True
    play.send("client", request(f"INVITE {ALIAS}", SECRET))
    play.sees("client < 100", "client < 500")
    assert b"ms-diagnostics: 5003;" in line_of(play.last("client"), "ms-diagnostics")
    (fault,) = play.faults
    assert (fault.what, type(fault.error)) == ("message.failed", ZeroDivisionError)
    assert fault.head.startswith(b"INVITE sip:ocschat@contoso.test SIP/2.0\r\n")
    assert b"Digest" not in fault.head and len(fault.head) <= 400


def test_nothing_of_it_is_left_and_the_next_call_gets_through(play):
    play.cached.is_broken = True
    play.send("client", request())
    play.sees("client < 100", "client < 500")
    play.cached.is_broken = False
    play.advance_quietly(40.0)
    assert len(play.core.transactions) == 0
    play.send("client", request(branch="z9hG4bK-2", call_id="2"))
    play.sees("client < 100", "fe1 < INVITE")


def test_a_header_that_cannot_be_read_refuses_its_register_and_binds_nothing():
    registry = Registry()
    registry.send_register(
        "<sip:mallory@192.0.2.9>",
        aor=f"sip:mallory@{DOMAIN}",
        headers=("Path: <sip:192.0.2.1;lr>", 'Supported: "'),
        call_id="bad",
    )
    registry.sees("client < 400")
    registry.send_register(registry.contact_of("client"))
    registry.saves()
    assert registry.answer_to().status == 200
    assert registry.bound() and not registry.bound(f"sip:mallory@{DOMAIN}")
    assert registry.core.registrar.waiting == 0
