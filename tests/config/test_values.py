"""Values inside the configuration: each mistake says what to write."""

import pytest

from proxy.config.values import (
    HostPort,
    host_name,
    networks,
    parse_host_port,
    parse_route,
    toml_value,
)


@pytest.mark.parametrize(
    ("text", "default", "found"),
    [
        ("127.0.0.5:5060", None, HostPort("127.0.0.5", 5060)),
        ("[2001:DB8::1]:5060", None, HostPort("2001:db8::1", 5060)),
        ("10.0.0.1", 53, HostPort("10.0.0.1", 53)),
        ("2001:db8::1", 53, HostPort("2001:db8::1", 53)),
        ("[::1]", 53, HostPort("::1", 53)),
        ("10.0.0.1:65535", 53, HostPort("10.0.0.1", 65535)),
    ],
)
def test_an_address_and_its_port(text, default, found) -> None:
    assert parse_host_port(text, default) == found
    assert parse_host_port(str(found)) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("proxy.test:5060", "is not an IP address"),
        ("127.0.0.5", "needs a port"),
        ("127.0.0.5:0", "needs a port"),
        ("127.0.0.5:65536", "needs a port"),
        ("127.0.0.5:x", '"127.0.0.5:5060"'),
        ("2001:db8::1", 'write "[2001:db8::1]:5060"'),
        ("[::1", "needs a port"),
        ("", "is not an IP address"),
    ],
)
def test_another_one_says_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_host_port(text)
    assert says in str(caught.value)


def test_a_host_name_is_in_lower_case_and_without_final_dot() -> None:
    assert host_name("PCPool.Contoso.test.", "x") == "pcpool.contoso.test"
    for bad in ("", "a_b", "-a", "a..b", "a" * 64, "a." * 127 + "ab"):
        with pytest.raises(ValueError, match=r'such as "example\.test"'):
            host_name(bad, "example.test")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fe.test", "is not a SIP URI"),
        ("sips:fe.test", "sip:fe.test;transport=tls"),
        ("sip:alice@fe.test", "names more than a next hop"),
        ("sip:fe.test?x=y", "names more than a next hop"),
        ("sip:fe.test;transport=sctp", "is not udp, tcp or tls"),
    ],
)
def test_a_next_hop_is_a_sip_uri_without_a_user(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_route(text)
    assert says in str(caught.value)
    assert parse_route("sip:fe.test:5070;transport=tcp").port == 5070


def test_networks_are_written_with_their_length_and_no_host_bits() -> None:
    assert networks(["10.1.0.0/16", "2001:db8::/32"]) == [
        "10.1.0.0/16",
        "2001:db8::/32",
    ]
    for bad in ("10.1.0.1/16", "x"):
        with pytest.raises(ValueError, match=r'such as "10\.1\.0\.0/16"'):
            networks([bad])


def test_values_are_spelled_as_toml_does() -> None:
    assert toml_value(True) == "true" and toml_value("a") == '"a"'
    assert toml_value([1, "b", False]) == '[1, "b", false]' and toml_value(0.5) == "0.5"
