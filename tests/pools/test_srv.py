"""RFC 3263 from answers: every rule of `proxy/pools/srv.py` on plain values."""

import random

import pytest

from proxy.pools import srv
from proxy.pools.front_end import FrontEnd, Lookup
from proxy.pools.srv import NaptrRecord, Offer, Service, SrvRecord

ALL = frozenset({"udp", "tcp", "tls"})
POOL = Lookup("pool.test")


def build(lookup, offers, addresses, **more):
    return srv.build(lookup, offers, addresses, now=100.0, expires=130.0, **more)


def names(resolution):
    return [(fe.transport, fe.name, fe.host, fe.port) for fe in resolution.front_ends()]


@pytest.mark.parametrize(
    ("lookup", "expected"),
    [
        (Lookup("192.0.2.1"), ("udp", "192.0.2.1", 5060)),
        (Lookup("192.0.2.1", 5070), ("udp", "192.0.2.1", 5070)),
        (Lookup("192.0.2.1", None, "tcp"), ("tcp", "192.0.2.1", 5060)),
        (Lookup("192.0.2.1", None, "tls"), ("tls", "192.0.2.1", 5061)),
        (Lookup("192.0.2.1", None, None, True), ("tls", "192.0.2.1", 5061)),
        (Lookup("192.0.2.1", None, "tcp", True), ("tls", "192.0.2.1", 5061)),
        (Lookup("2001:db8::1"), ("udp", "2001:db8::1", 5060)),
        (Lookup("[2001:db8::1]", 5080), ("udp", "2001:db8::1", 5080)),
    ],
)
def test_a_numeric_host_is_its_own_answer(lookup, expected):
    resolution = srv.numeric_resolution(lookup, ALL)
    (front_end,) = resolution.front_ends()
    assert front_end.key == expected
    assert resolution.expires == float("inf")


@pytest.mark.parametrize("host", ["pool.test", "1.2.3.4.5", "256.1.1.1", "fe1", "a.0"])
def test_a_name_is_not_numeric(host):
    assert srv.numeric_resolution(Lookup(host), ALL) is None


def test_a_numeric_host_goes_over_tcp_where_we_have_no_udp():
    resolution = srv.numeric_resolution(Lookup("192.0.2.1"), {"tcp", "tls"})
    assert [fe.transport for fe in resolution.front_ends()] == ["tcp"]


def test_a_numeric_host_over_a_transport_we_lack_says_so():
    resolution = srv.numeric_resolution(Lookup("192.0.2.1", None, "tls"), {"udp"})
    assert resolution.error == "address"
    assert "no tls listener" in resolution.reason


def test_tls_asks_the_rfc_name_and_the_microsoft_name():
    assert srv.services(Lookup("pool.test", None, "tls"), ALL) == (
        Service("tls", "_sips._tcp.pool.test"),
        Service("tls", "_sip._tls.pool.test"),
    )


def test_auto_asks_a_service_for_every_transport_we_have():
    found = [service.name for service in srv.services(POOL, {"udp", "tcp"})]
    assert found == ["_sip._tcp.pool.test", "_sip._udp.pool.test"]


def test_sips_never_leaves_tls():
    for transport in (None, "udp", "tcp", "tls"):
        lookup = Lookup("pool.test", None, transport, sips=True)
        assert {s.transport for s in srv.services(lookup, ALL)} == {"tls"}


def test_a_fixed_port_asks_no_srv_and_no_naptr():
    lookup = Lookup("pool.test", 5070)
    assert srv.services(lookup, ALL) == ()
    assert not srv.asks_naptr(lookup)


def test_a_fixed_port_is_offered_on_every_transport_we_have():
    lookup = Lookup("pool.test", 5070)
    offers = srv.host_offers(lookup, {"udp", "tcp"})
    resolution = build(lookup, offers, {"pool.test": ["192.0.2.1"]})
    assert names(resolution) == [
        ("tcp", "pool.test", "192.0.2.1", 5070),
        ("udp", "pool.test", "192.0.2.1", 5070),
    ]


def test_without_srv_the_host_is_tried_on_default_ports():
    resolution = build(POOL, srv.host_offers(POOL, ALL), {"pool.test": ["192.0.2.1"]})
    assert {(fe.transport, fe.port) for fe in resolution.front_ends()} == {
        ("tls", 5061),
        ("tcp", 5060),
        ("udp", 5060),
    }


def test_naptr_is_ordered_by_order_then_preference():
    records = [
        NaptrRecord(20, 1, "s", "SIP+D2U", "_sip._udp.pool.test"),
        NaptrRecord(10, 2, "S", "sip+d2t", "_sip._tcp.pool.test"),
        NaptrRecord(10, 1, "s", "SIPS+D2T", "_sips._tcp.other.test"),
    ]
    found = srv.naptr_services(POOL, records, ALL)
    assert found[0] == Service("tls", "_sips._tcp.other.test")
    assert srv.transport_order(found) == ("tls", "tcp", "udp")


def test_naptr_services_we_cannot_speak_are_dropped():
    records = [
        NaptrRecord(10, 1, "s", "SIP+D2S", "_sip._sctp.pool.test"),
        NaptrRecord(10, 1, "u", "SIP+D2T", "_sip._tcp.pool.test"),
        NaptrRecord(10, 1, "s", "SIPS+D2T", "_sips._tcp.pool.test"),
        NaptrRecord(10, 1, "s", "SIP+D2U", "_sip._udp.pool.test"),
    ]
    found = srv.naptr_services(POOL, records, {"udp", "tcp"})
    assert [service.transport for service in found] == ["udp"]


def test_priorities_become_groups_in_order():
    offer = Offer(
        "tcp",
        (
            SrvRecord(20, 0, 5060, "fe3.test"),
            SrvRecord(10, 40, 5060, "fe2.test"),
            SrvRecord(10, 60, 5060, "fe1.test"),
        ),
    )
    addresses = {f"fe{n}.test": [f"192.0.2.{n}"] for n in (1, 2, 3)}
    groups = build(POOL, [offer], addresses).groups["tcp"]
    assert [{fe.name for fe in group} for group in groups] == [
        {"fe1.test", "fe2.test"},
        {"fe3.test"},
    ]
    first = next(fe for fe in groups[0] if fe.name == "fe1.test")
    assert first == FrontEnd(
        "tcp", "192.0.2.1", 5060, "fe1.test", "pool.test", 10, weight=60
    )


def test_all_addresses_of_a_target_are_used_ipv6_before_ipv4():
    offer = Offer("tcp", (SrvRecord(10, 0, 5060, "fe1.test"),))
    addresses = {"fe1.test": ["192.0.2.1", "fd00::1", "2001:db8::1"]}
    assert [fe.host for fe in build(POOL, [offer], addresses).front_ends()] == [
        "2001:db8::1",
        "192.0.2.1",
        "fd00::1",  # RFC 6724: a unique local address comes after IPv4
    ]


def test_a_lame_target_is_skipped_and_the_rest_used():
    records = (SrvRecord(1, 0, 5060, "lame.test"), SrvRecord(2, 0, 5060, "fe2.test"))
    resolution = build(POOL, [Offer("udp", records)], {"fe2.test": ["192.0.2.2"]})
    assert [fe.name for fe in resolution.front_ends()] == ["fe2.test"]
    assert resolution.error is None


def test_only_lame_targets_are_an_address_error_that_names_them():
    records = (SrvRecord(1, 0, 5060, "a.test"), SrvRecord(2, 0, 5060, "b.test"))
    resolution = build(POOL, [Offer("udp", records)], {})
    assert resolution.error == "address"
    assert "a.test, b.test" in resolution.reason


def test_target_dot_takes_one_service_away():
    offers = [
        Offer("tls", (SrvRecord(0, 0, 0, "."),)),
        Offer("tcp", (SrvRecord(0, 0, 5060, "fe1.test"),)),
    ]
    resolution = build(POOL, offers, {"fe1.test": ["192.0.2.1"]})
    assert list(resolution.groups) == ["tcp"]


def test_target_dot_everywhere_is_an_srv_error():
    resolution = build(POOL, [Offer("udp", (SrvRecord(0, 0, 0, "."),))], {})
    assert resolution.error == "srv"
    assert "offers no SIP service" in resolution.reason


def test_a_name_without_any_record_is_an_srv_error_with_a_port_an_address_error():
    assert build(POOL, srv.host_offers(POOL, ALL), {}).error == "srv"
    fixed = Lookup("pool.test", 5060)
    assert build(fixed, srv.host_offers(fixed, ALL), {}).error == "address"


def test_the_two_tls_names_are_merged_without_duplicates():
    shared = SrvRecord(10, 5, 5061, "fe1.test")
    offers = [
        Offer("tls", (shared,)),
        Offer("tls", (shared._replace(weight=99), SrvRecord(5, 0, 5061, "fe2.test"))),
    ]
    addresses = {"fe1.test": ["192.0.2.1"], "fe2.test": ["192.0.2.2"]}
    resolution = build(POOL, offers, addresses)
    assert [(fe.name, fe.weight) for fe in resolution.front_ends()] == [
        ("fe2.test", 0),
        ("fe1.test", 5),
    ]


def test_one_address_under_two_names_is_tried_once():
    records = (SrvRecord(1, 0, 5060, "a.test"), SrvRecord(2, 0, 5060, "b.test"))
    addresses = {"a.test": ["192.0.2.1"], "b.test": ["192.0.2.1"]}
    resolution = build(POOL, [Offer("udp", records)], addresses)
    assert [fe.name for fe in resolution.front_ends()] == ["a.test"]


def test_naptr_order_keeps_only_transports_with_front_ends():
    offers = [Offer("tcp", (SrvRecord(1, 0, 5060, "a.test"),))]
    resolution = build(
        POOL, offers, {"a.test": ["192.0.2.1"]}, naptr_order=("tls", "tcp")
    )
    assert resolution.naptr_order == ("tcp",)


def test_the_order_of_the_answers_does_not_matter():
    rng = random.Random(7)
    records = [SrvRecord(n % 3, n, 5060, f"fe{n}.test") for n in range(9)]
    addresses = {f"fe{n}.test": [f"192.0.2.{n}", f"2001:db8::{n}"] for n in range(9)}
    first = build(POOL, [Offer("udp", tuple(records))], addresses).groups
    for _ in range(20):
        rng.shuffle(records)
        shuffled = {name: rng.sample(found, 2) for name, found in addresses.items()}
        assert build(POOL, [Offer("udp", tuple(records))], shuffled).groups == first


def test_a_zone_with_too_many_targets_is_cut_at_the_last_choices():
    records = tuple(SrvRecord(n, 0, 5060, f"fe{n}.test") for n in range(1000))
    found = srv.targets([Offer("udp", records)])
    assert len(found) == srv.OF_POOLS.targets
    assert found[0] == "fe0.test"
