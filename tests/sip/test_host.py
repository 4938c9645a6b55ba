"""Hosts in one spelling (RFC 5954 section 4.2, RFC 5952)."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest

import proxy
from proxy.sip.host import canonical_host, host_port, network_of, site_of


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Proxy.Contoso.TEST.", "proxy.contoso.test"),
        ("192.0.2.1", "192.0.2.1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::0001", "::1"),
        ("[2001:0DB8:0000:0000:0000:0000:0000:000A]", "2001:db8::a"),
        ("[2001:db8::192.0.2.1]", "2001:db8::c000:201"),
        ("[2001:db8:::192.0.2.1]", "2001:db8::c000:201"),  # RFC 5118 section 4.10
        ("[::ffff:192.0.2.1]", "192.0.2.1"),  # RFC 4291 section 2.5.5.2
        ("[0:0:0:0:0:FFFF:C000:0201]", "192.0.2.1"),
        ("::192.0.2.1", "::c000:201"),  # the old form is an address of its own
        ("[1:2]", "1:2"),  # no address, and nobody's
    ],
)
def test_every_host_has_one_spelling(written, canonical):
    assert canonical_host(written) == canonical
    assert canonical_host(canonical) == canonical


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("10.0.0.5", "10.0.0.5:5060"),
        ("proxy.contoso.test", "proxy.contoso.test:5060"),
        ("2001:db8::5", "[2001:db8::5]:5060"),
    ],
)
def test_a_port_follows_an_address_of_either_family(host, text):
    assert host_port(host, 5060) == text


def test_brackets_are_written_in_one_place():
    written = re.compile(r"\[\{[\w.]*(?:host|address)\w*\}\]")
    found = {
        path.name
        for path in Path(proxy.__file__).parent.rglob("*.py")
        if written.search(path.read_text())
    }
    assert found == {"host.py"}


@pytest.mark.parametrize(
    ("address", "network", "site"),
    [
        ("192.0.2.66", "192.0.2.0/24", ""),
        ("2001:db8:7:1:a::9", "2001:db8:7:1::/64", "2001:db8:7::/48"),
        ("2001:db8::1", "2001:db8::/64", "2001:db8::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("::1", "::/64", "::/48"),
    ],
)
def test_a_source_is_named_as_a_firewall_takes_it(address, network, site):
    assert network_of(address) == network
    assert str(ip_network(network)) == network
    if site:
        assert site_of(address) == site
