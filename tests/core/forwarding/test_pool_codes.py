"""What one pool's front end does counts for that pool, by that pool's codes."""

from proxy.core.settings import Attempts, PoolCodes
from tests.support.messages import request
from tests.support.playbook import OTHER_POOL, POOL, endpoint

CODES = PoolCodes(frozenset({500, 503}), frozenset({503}))
TWO = (endpoint(), endpoint("other", pool=OTHER_POOL))


def test_a_pool_may_have_codes_of_its_own(playbook):
    play = playbook(attempts=Attempts(of_pools={POOL: CODES}))
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 500)
    play.sees("fe1 < ACK", "fe2 < INVITE")


def test_the_others_keep_the_common_ones(playbook):
    play = playbook(attempts=Attempts(of_pools={OTHER_POOL: CODES}))
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 500)
    play.sees("fe1 < ACK", "client < 500")


def test_a_pool_may_have_none_at_all(playbook):
    none = PoolCodes(frozenset(), frozenset())
    play = playbook(attempts=Attempts(of_pools={POOL: none}))
    play.send("client", request())
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "client < 500")


def test_probes_go_by_codes_of_their_own():
    attempts = Attempts(failover_codes=frozenset({599}), of_pools={POOL: CODES})
    assert attempts.probe_codes_of(POOL.upper()) == {503}
    assert attempts.codes_of(POOL) == {500, 503}
    assert attempts.probe_codes_of(OTHER_POOL) == {599} == attempts.codes_of("")


def fail(play, number: int, user: str = "ocschat") -> None:
    """A call that fe1 refuses with 503 and fe2 takes."""
    uri = f"INVITE sip:{user}@contoso.test"
    branch = f"z9hG4bK-{user}-{number}"
    play.send("client", request(uri, call_id=f"{user}{number}", branch=branch))
    play.sees("client < 100", "fe1 < INVITE")
    play.answer("fe1", 503)
    play.sees("fe1 < ACK", "fe2 < INVITE")
    play.answer("fe2", 200)
    play.sees("client < 200")
    play.advance(1.0)


def test_what_one_pool_answers_there_ejects_nothing_for_another(playbook):
    play = playbook(endpoints=TWO)
    play.knows(OTHER_POOL, "fe1", "fe2")
    for number in range(3):
        fail(play, number)
    play.send("client", request(call_id="next", branch="z9hG4bK-next"))
    play.sees("client < 100", "fe2 < INVITE")
    play.send(
        "edge", request("INVITE sip:other@contoso.test", call_id="o", branch="z9hG4bKo")
    )
    play.sees("edge < 100", "fe1 < INVITE")


def test_a_request_that_comes_while_all_are_ejected_is_counted_and_tried(playbook):
    play = playbook()
    for name in ("10.0.1.1", "10.0.1.2"):
        for at in (-3.0, -2.0, -1.0):
            key = ("udp", name, 5060, "")
            play.core.health.record_failure(key, "refused", play.now + at)
    play.send("client", request())
    play.sees("client < 100", "fe2 < INVITE")
    assert play.core.next_hops.panics == {POOL: 1}
    play.core.health.record_success(("udp", "10.0.1.2", 5060, ""), play.now)
    play.send("edge", request(call_id="2", branch="z9hG4bK-2"))
    play.sees("edge < 100", "fe2 < INVITE")
    assert play.core.next_hops.panics == {POOL: 1}
