"""Passwords cannot be guessed in bulk, and nobody is locked out by somebody else."""

import pytest

from proxy.core import commands
from proxy.core.answers.later import HOLD
from proxy.core.strangers.guesses import BURST, EVERY, MOST, Guesses
from proxy.sip.digest import NonceBox
from proxy.sip.flow import Flow, Listener
from tests.core.registrar.test_credentials import CONTACT, registry_with, sign_in
from tests.support.playbook import HOSTS
from tests.support.registry import Registry

LISTENER = Listener("udp", "10.0.0.5", 5060)
MANY = int(BURST)


def flow(host: str, port: int = 5060) -> Flow:
    return Flow(LISTENER, host, port)


def tried(guesses: Guesses, user: str, where: Flow, now: float) -> bool:
    """One wrong password; whether it was looked at."""
    if guesses.wait(user, True, where, now):
        return False
    guesses.failed(user, True, where, now)
    return True


# -- the budgets ---------------------------------------------------------------------


def test_ten_in_a_row_are_looked_at_and_then_one_every_six_seconds():
    guesses = Guesses()
    here = flow("192.0.2.1")
    looked_at = sum(tried(guesses, "alice", here, 100.0) for _ in range(8_250))
    assert looked_at == MANY
    in_an_hour = sum(
        tried(guesses, "alice", here, 100.0 + tenth / 10) for tenth in range(36_000)
    )
    assert in_an_hour == pytest.approx(3600 / EVERY, abs=1)


def test_many_sources_share_what_one_user_may_be_tried():
    guesses = Guesses()
    sources = [flow(f"192.0.2.{n}") for n in range(200)]
    first = sum(tried(guesses, "alice", each, 100.0) for each in sources)
    assert first == 200  # one each: the right user may be any of them
    later = sum(
        tried(guesses, "alice", each, 100.0 + n / 10)
        for n in range(600)
        for each in sources[:20]
    )
    assert later <= 60 / EVERY + 1


def test_a_prefix_of_ipv6_is_one_source_and_so_is_every_port():
    guesses = Guesses()
    looked_at = sum(
        tried(guesses, f"user{n}", flow(f"2001:db8::{n:x}", n), 100.0)
        for n in range(1, 500)
    )
    assert looked_at == MANY


def test_a_site_of_ipv6_has_many_prefixes_and_no_more_guesses_for_it():
    """65,536 of them, so each could be a source that has never guessed wrong."""
    guesses = Guesses()
    looked_at = sum(
        tried(guesses, "alice", flow(f"2001:db8:1:{n & 0xFFFF:x}::1"), 100.0 + n / 8000)
        for n in range(MOST + 6_000)
    )
    assert looked_at <= MANY + 1
    for_anybody = sum(
        tried(guesses, f"user{n}", flow(f"2001:db8:2:{n:x}::1"), 100.0)
        for n in range(MOST)
    )
    assert for_anybody <= 10 * MANY
    assert guesses.wait("alice", True, flow("2001:db8:3::1"), 103.0) == 0.0


def test_who_guesses_for_others_does_not_use_up_their_own_place():
    guesses = Guesses()
    home, attacker = flow("192.0.2.7", 5060), flow("192.0.2.7", 6000)
    guesses.succeeded("alice", home)
    for _ in range(100):
        tried(guesses, "alice", attacker, 100.0)
        tried(guesses, "bob", attacker, 100.0)
    assert guesses.wait("bob", True, attacker, 100.0) > 0
    assert guesses.wait("alice", True, attacker, 100.0) > 0
    assert guesses.wait("alice", True, home, 100.0) == 0.0
    assert guesses.wait("alice", True, flow("198.51.100.1"), 100.0) == 0.0


def test_an_account_of_ones_own_clears_no_count():
    guesses = Guesses()
    here = flow("192.0.2.1")
    looked_at = 0
    for _ in range(200):
        looked_at += tried(guesses, "alice", here, 100.0)
        guesses.succeeded("mallory", here)
    assert looked_at == MANY


def test_strangers_do_not_make_it_remember_without_end():
    guesses = Guesses()
    for n in range(MOST + 500):
        where = flow(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", n % 60_000 + 1)
        guesses.failed("a" * 1000, False, where, 100.0)
        guesses.succeeded(f"user{n}", where)
    assert len(guesses._sources) == MOST
    assert len(guesses._welcome) == MOST
    assert len(guesses._users) == 0


def test_a_clock_that_goes_back_forgives_nothing():
    guesses = Guesses()
    here = flow("192.0.2.1")
    for _ in range(MANY):
        tried(guesses, "alice", here, 100.0)
    assert guesses.wait("alice", True, here, 50.0) > 0


# -- a REGISTER ----------------------------------------------------------------------


def registered(registry: Registry, password: str, peer: str = "client", **how) -> int:
    """The status of a REGISTER with this password, from this peer; 0: held back."""
    held = registry.core.refusals.later.held
    answer = sign_in(registry, password=password, peer=peer, **how)
    return answer.status if registry.core.refusals.later.held == held else 0


def test_the_right_password_is_not_looked_at_once_there_were_too_many_wrong_ones():
    registry = registry_with(("alice", "s3cret"))
    assert [registered(registry, "wrong") for _ in range(MANY)] == [401] * MANY
    assert registered(registry, "s3cret") == 0
    registry.sees()
    registry.advance(HOLD)
    registry.sees("client < 503 Too Many Wrong Passwords")
    assert b"Retry-After: " in registry.last("client")
    assert registry.bound() == []
    registry.advance_quietly(EVERY)
    assert registered(registry, "s3cret") == 200


def test_from_elsewhere_the_right_password_is_heard_meanwhile():
    registry = registry_with(("alice", "s3cret"))
    heard = [registered(registry, "wrong", "stranger") for _ in range(MANY + 3)]
    assert heard == [401] * MANY + [0] * 3
    assert registered(registry, "s3cret") == 200
    registry.advance_quietly(HOLD)


def test_at_home_a_user_is_heard_whoever_guesses_from_there():
    registry = registry_with(("alice", "s3cret"))
    assert registered(registry, "s3cret") == 200
    for _ in range(MANY):
        registered(registry, "wrong", user="bob")
    assert registered(registry, "s3cret") == 200


def test_a_nonce_is_of_use_where_it_was_asked_for_only():
    """Whoever forges a source address gets no answer there, and so no nonce."""
    registry = registry_with(("alice", "s3cret"))
    challenge = registry.register(CONTACT, peer="stranger")
    answer = sign_in(registry, challenge, password="wrong")
    assert b"stale=true" in answer.value("www-authenticate")
    assert registry.core.registrar.gate.guesses.wrong == 0


def test_a_nonce_knows_its_source():
    box = NonceBox(b"key")
    nonce = box.make(1000.0, "192.0.2.1")
    assert box.use(nonce, 1, 1001.0, "192.0.2.2") == "stale"
    assert box.use(nonce, 1, 1001.0, "192.0.2.1") == "good"


# -- what is told --------------------------------------------------------------------


def test_a_first_challenge_is_nobodys_mistake():
    registry = registry_with(("alice", "s3cret"))
    registry.register(CONTACT)
    registry.register(CONTACT, headers=('Authorization: NTLM realm="x"',))
    assert registry.access == []
    registrar = registry.core.registrar
    assert (registrar.challenges, registrar.refusals) == (2, 0)
    assert registrar.gate.guesses.wrong == 0


def test_a_stale_nonce_is_none_either():
    registry = registry_with(("alice", "s3cret"))
    challenge = registry.register(CONTACT)
    registry.advance(301)
    sign_in(registry, challenge)
    assert registry.access == []


def test_a_wrong_password_is_logged_as_that():
    registry = registry_with(("alice", "s3cret"))
    registered(registry, "wrong")
    (line,) = registry.access
    assert (line.status, line.rule) == (401, "wrong password")
    assert registry.core.registrar.refusals == 1


def test_who_guesses_is_reported_once_and_held_back_tries_are_counted():
    registry = registry_with(("alice", "s3cret"))
    told = []
    carry_out = registry._carry_out

    def watch(out):
        told.extend(x for x in out if isinstance(x, commands.NoteSuspect))
        carry_out(out)

    registry._carry_out = watch
    for _ in range(MANY + 5):
        registered(registry, "wrong")
        registry.advance_quietly(0.1)
    assert [(x.what, x.source, x.example) for x in told] == [
        ("guessing", HOSTS["client"], "alice")
    ]
    guesses = registry.core.registrar.gate.guesses
    assert (guesses.wrong, guesses.held) == (MANY, 5)
    assert len(registry.access) == MANY
    registry.advance_quietly(HOLD)
    assert registry.core.refusals.later.waiting == 0
