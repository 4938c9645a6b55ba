"""RFC 2782 order and ejection, with seeded chance."""

import random
from collections import Counter

import dns.rdtypes.IN.SRV
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.pools.health import HealthBook
from proxy.pools.selection import order, order_for

POOL = Lookup("pool.test")


def front_end(n, *, priority=0, weight=0, transport="tcp", host=None, name=None):
    return FrontEnd(
        transport,
        host or f"192.0.2.{n}",
        5060,
        name or f"fe{n}.test",
        "pool.test",
        priority,
        weight,
    )


def resolution(*front_ends, naptr_order=()):
    groups = {}
    for fe in sorted(front_ends, key=lambda fe: fe.priority):
        groups.setdefault(fe.transport, {}).setdefault(fe.priority, []).append(fe)
    made = {t: tuple(map(tuple, by.values())) for t, by in groups.items()}
    return Resolution(POOL, made, expires=1.0, naptr_order=naptr_order)


def eject(health, fe, now=0.0):
    for n in range(3):
        health.record_failure(fe.address_key, "refused", now - 1.0 + n / 10)


def first_picks(made, rounds=6000, seed=1, **more):
    rng = random.Random(seed)
    return Counter(order(made, ("tcp",), rng, **more)[0].name for _ in range(rounds))


def test_priorities_come_in_order():
    made = resolution(front_end(1, priority=20), front_end(2, priority=10))
    found = order(made, ("tcp",), random.Random(1))
    assert [fe.name for fe in found] == ["fe2.test", "fe1.test"]


def test_a_fixed_order_is_the_same_object_every_time():
    made = resolution(front_end(1, priority=1), front_end(2, priority=2))
    rng = random.Random(1)
    first = order(made, ("tcp",), rng, HealthBook(), 0.0)
    assert order(made, ("tcp",), rng, HealthBook(), 9.0) is first


def test_the_first_preferred_transport_with_front_ends_is_taken():
    made = resolution(front_end(1, transport="udp"), front_end(2, transport="tcp"))
    rng = random.Random(1)
    assert order(made, ("udp", "tls", "tcp"), rng)[0].transport == "udp"
    assert order(made, ("tls", "tcp", "udp"), rng)[0].transport == "tcp"
    assert order(made, ("tls",), rng) != ()


def test_naptr_order_beats_our_preference():
    made = resolution(
        front_end(1, transport="udp"), front_end(2), naptr_order=("tcp", "udp")
    )
    assert order(made, ("udp",), random.Random(1))[0].transport == "tcp"


def test_a_request_too_large_for_udp_can_ask_for_tcp():
    made = resolution(front_end(1, transport="udp"), front_end(2))
    rng = random.Random(1)
    assert [fe.transport for fe in order_for(made, "tcp", rng)] == ["tcp"]
    assert order_for(made, "tls", rng) == ()


def test_nothing_resolved_is_an_empty_order():
    failed = Resolution(POOL, {}, expires=1.0, error="srv", reason="none")
    assert order(failed, ("tcp",), random.Random(1), HealthBook()) == ()


def test_weights_share_the_first_picks():
    made = resolution(front_end(1, weight=60), front_end(2, weight=20))
    picks = first_picks(made)
    assert 0.72 < picks["fe1.test"] / picks.total() < 0.78


def test_all_weights_zero_share_evenly():
    picks = first_picks(resolution(*(front_end(n) for n in (1, 2, 3))))
    assert all(1800 < count < 2200 for count in picks.values())


def test_the_distribution_is_that_of_dnspython():
    weights = {1: 60, 2: 30, 3: 10, 4: 0}
    made = resolution(*(front_end(n, weight=w) for n, w in weights.items()))
    rrset = dns.rrset.from_text_list(
        "x.", 60, "IN", "SRV", [f"0 {w} 5060 fe{n}.test." for n, w in weights.items()]
    )
    random.seed(5)
    theirs, ours, rng = Counter(), Counter(), random.Random(5)
    for _ in range(6000):
        theirs.update(enumerate(str(r.target)[:-1] for r in rrset.processing_order()))
        ours.update(enumerate(fe.name for fe in order(made, ("tcp",), rng)))
    for place in theirs | ours:
        assert abs(theirs[place] - ours[place]) < 250, place


def test_the_weight_belongs_to_the_target_not_to_each_address():
    made = resolution(
        front_end(1, weight=50),
        front_end(2, weight=50),
        front_end(3, weight=50, name="fe2.test"),
        front_end(4, weight=50, name="fe2.test"),
    )
    picks = first_picks(made)
    assert 0.47 < picks["fe1.test"] / picks.total() < 0.53


def test_addresses_of_one_name_stay_together_ipv6_first():
    made = resolution(
        front_end(1, name="fe1.test", host="2001:db8::1"),
        front_end(1, name="fe1.test", host="192.0.2.1"),
        front_end(2, name="fe2.test"),
    )
    rng = random.Random(3)
    for _ in range(50):
        hosts = [fe.host for fe in order(made, ("tcp",), rng)]
        at = hosts.index("2001:db8::1")
        assert hosts[at + 1] == "192.0.2.1"


def test_several_addresses_of_one_name_are_used_in_turn():
    made = resolution(*(front_end(n, name="pool.test") for n in (1, 2, 3)))
    rng = random.Random(3)
    firsts = {order(made, ("tcp",), rng)[0].host for _ in range(60)}
    assert len(firsts) == 3


def test_an_ejected_front_end_is_tried_last():
    fe1, fe2, fe3 = (front_end(n, priority=n) for n in (1, 2, 3))
    health = HealthBook()
    eject(health, fe1)
    made, rng = resolution(fe1, fe2, fe3), random.Random(1)
    assert order(made, ("tcp",), rng, health, 1.0) == (fe2, fe3, fe1)
    assert order(made, ("tcp",), rng, health, 60.0) == (fe1, fe2, fe3)


def test_at_most_half_of_a_pool_is_ejected():
    fe1, fe2, fe3, fe4 = (front_end(n, priority=n) for n in (1, 2, 3, 4))
    health = HealthBook()
    for at, fe in enumerate((fe1, fe2, fe3)):
        eject(health, fe, now=float(at))
    made = resolution(fe1, fe2, fe3, fe4)
    # The first to be ejected is the first to be given another chance.
    found = order(made, ("tcp",), random.Random(1), health, 3.0)
    assert found == (fe1, fe4, fe2, fe3)


def test_a_single_front_end_is_tried_even_when_ejected():
    fe1 = front_end(1)
    health = HealthBook()
    eject(health, fe1)
    assert order(resolution(fe1), ("tcp",), random.Random(1), health, 0.0) == (fe1,)


def test_one_failed_request_does_not_reorder_the_others():
    # kamailio#4911: what one request found out must not spoil a shared answer.
    fe1, fe2 = front_end(1, priority=1), front_end(2, priority=2)
    made, health, rng = resolution(fe1, fe2), HealthBook(), random.Random(1)
    others = [order(made, ("tcp",), rng, health, 0.0) for _ in range(3)]
    health.record_failure(fe1.address_key, "connect-timeout", 1.0)
    others += [order(made, ("tcp",), rng, health, 1.0 + n) for n in range(3)]
    assert set(others) == {(fe1, fe2)}


FRONT_ENDS = st.lists(
    st.builds(
        front_end,
        st.integers(1, 250),
        priority=st.integers(0, 4),
        weight=st.sampled_from([0, 0, 1, 50, 65535]),
        name=st.sampled_from(["a.test", "b.test", "c.test", "d.test"]),
    ),
    max_size=12,
    unique_by=lambda fe: fe.key,
)


@given(FRONT_ENDS, st.sets(st.integers(1, 250)), st.integers())
def test_every_order_is_a_permutation(front_ends, ejected, seed):
    health = HealthBook()
    for fe in front_ends:
        if int(fe.host.rpartition(".")[2]) in ejected:
            eject(health, fe)
    found = order(resolution(*front_ends), ("tcp",), random.Random(seed), health, 0.0)
    assert sorted(found) == sorted(front_ends)


@given(FRONT_ENDS, st.integers())
def test_priorities_are_never_violated(front_ends, seed):
    found = order(resolution(*front_ends), ("tcp",), random.Random(seed))
    assert [fe.priority for fe in found] == sorted(fe.priority for fe in front_ends)


@given(FRONT_ENDS, st.sets(st.integers(1, 250)), st.integers())
def test_at_most_half_lose_their_place_to_ejection(front_ends, ejected, seed):
    health = HealthBook()
    for fe in front_ends:
        if int(fe.host.rpartition(".")[2]) in ejected:
            eject(health, fe)
    made = resolution(*front_ends)
    plain = order(made, ("tcp",), random.Random(seed))
    found = order(made, ("tcp",), random.Random(seed), health, 0.0)
    tails = range(len(found) // 2 + 1)
    assert any(is_tail_moved(plain, found, health, count) for count in tails)


def is_tail_moved(plain, found, health, count):
    """True when the last ``count`` were ejected and the others kept their order."""
    head, tail = found[: len(found) - count], found[len(found) - count :]
    return all(health.is_ejected(fe.address_key, 0.0) for fe in tail) and head == tuple(
        fe for fe in plain if fe not in tail
    )
