"""Whether an address is in a network that the configuration names."""

from ipaddress import ip_address, ip_network

from proxy.core import networks
from proxy.core.networks import Networks, source_of


def test_an_address_is_in_a_network_or_not_and_the_answer_stays() -> None:
    known = Networks([ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")])
    for _ in range(2):
        assert "10.1.2.3" in known and "10.2.0.1" not in known
        assert "2001:db8::1" in known and "2001:db9::1" not in known


def test_the_zone_of_a_link_local_address_does_not_count() -> None:
    assert "fe80::1%eth0" in Networks([ip_network("fe80::/10")])


def test_no_network_holds_nothing_even_what_is_no_address() -> None:
    assert "not an address" not in Networks([])


def test_what_is_remembered_has_an_end() -> None:
    known = Networks([ip_network("10.0.0.0/8")])
    sizes = []
    for n in range(networks._HOSTS_KEPT + 10):
        assert str(ip_address(0x0A000000 + n)) in known
        sizes.append(len(known._known))
    assert max(sizes) == networks._HOSTS_KEPT


def test_one_ipv6_host_is_one_source_whatever_address_it_takes() -> None:
    assert source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("2001:db8:0:1::1") == source_of("2001:db8:0:1:ffff::9")
    assert source_of("2001:db8:0:1::1") != source_of("2001:db8:0:2::1")
