"""Which hosts and ports are ours."""

import pytest

from proxy.core.routing.identity import Identity
from proxy.sip.flow import Listener
from proxy.sip.uri import parse_uri

HERE = frozenset({"10.1.2.3", "2001:DB8:0:0::5"})
IDENTITY = Identity(
    [
        Listener("udp", "0.0.0.0", 5070, advertised_host="proxy.contoso.test"),
        Listener("tls", "::", 5061, index=1, advertised_host="proxy.contoso.test"),
        Listener("tcp", "127.0.0.5", 5060, index=2),
    ],
    frozenset({"contoso.test"}),
    HERE,
    node_address=("10.9.9.9", 5060),
)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:127.0.0.5",  # without a port: the default one
        "sip:127.0.0.5:5060",
        "sip:10.1.2.3:5070",  # any address of this machine, where a listener has all
        "sip:[2001:db8::5]:5061",  # in any spelling
        "sips:[2001:db8::5]",
        "sip:proxy.contoso.test",  # a name without a port may be any port of ours
        "sip:PROXY.contoso.test:5070",
        "sip:10.9.9.9:5060",  # where other nodes reach this one
    ],
)
def test_these_are_ours(uri):
    assert IDENTITY.is_own_uri(parse_uri(uri.encode()))


@pytest.mark.parametrize(
    "uri",
    [
        "sip:127.0.0.5:5062",  # another server of this machine
        "sip:10.1.2.4:5070",
        "sip:proxy.contoso.test:5080",
        "sips:127.0.0.5",  # nobody listens there for TLS
        "sip:10.9.9.9:5061",
        "sip:contoso.test",  # a domain that we serve is not this proxy itself
    ],
)
def test_these_are_not(uri):
    assert not IDENTITY.is_own_uri(parse_uri(uri.encode()))


def test_a_route_entry_may_name_a_domain_of_ours_without_a_port():
    assert IDENTITY.is_own_route(parse_uri(b"sip:contoso.test;lr"))
    assert not IDENTITY.is_own_route(parse_uri(b"sip:contoso.test:5060;lr"))
    assert not IDENTITY.is_own_route(parse_uri(b"sip:fabrikam.test;lr"))


def test_an_address_of_this_machine_is_the_listeners_own():
    assert IDENTITY.is_own_host("2001:db8::5", Listener("udp", "0.0.0.0", 5060))
    assert IDENTITY.is_own_host("127.0.0.9", Listener("udp", "127.0.0.9", 5060))
    assert not IDENTITY.is_own_host("10.1.2.4", Listener("udp", "0.0.0.0", 5060))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"),
        *("10.1.2.3", "2001:db8::5", "127.0.0.5"),  # addresses of this machine
        *("169.254.169.254", "fe80::1"),  # of the link
        *("0.0.0.0", "::", "224.0.1.75", "ff02::1", "255.255.255.255"),
    ],
)
@pytest.mark.parametrize("by", ["10.7.7.7", "2001:db8:7::7"])
def test_a_peer_elsewhere_names_no_place_that_only_this_machine_reaches(host, by):
    assert not IDENTITY.may_name(host, by)


@pytest.mark.parametrize("by", ["127.0.0.1", "::1", "10.1.2.3"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.1.2.3", "10.7.7.7"])
def test_who_is_on_this_machine_may_name_it(host, by):
    assert IDENTITY.may_name(host, by)


def test_who_is_on_the_link_may_name_the_link_and_nobody_a_group():
    assert IDENTITY.may_name("fe80::1", "fe80::2%eth0")
    assert not IDENTITY.may_name("224.0.1.75", "127.0.0.1")
    assert not IDENTITY.may_name("0.0.0.0", "127.0.0.1")
