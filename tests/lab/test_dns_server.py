"""The lab's name server: what it answers, without a socket."""

import dns.exception
import dns.message
import dns.rcode
import pytest

from proxy.lab.dns_server import ZoneServer

ZONE = {
    "_sip._udp.pool.test SRV": ["10 60 5060 fe1.test.", "20 0 5060 fe2.test"],
    "alias.test CNAME": "fe1.test",
    "loop.test CNAME": "loop.test",
    "fe1.test A": "127.0.0.11",
}


def ask(zone, name, rdtype):
    return zone.answer(dns.message.make_query(name, rdtype))


def texts(response):
    return [rdata.to_text() for rrset in response.answer for rdata in rrset]


def test_it_answers_from_its_records():
    response = ask(ZoneServer(ZONE), "_sip._udp.POOL.test", "SRV")
    assert sorted(texts(response)) == ["10 60 5060 fe1.test.", "20 0 5060 fe2.test."]
    assert response.answer[0].ttl == 60


def test_aliases_are_followed():
    assert texts(ask(ZoneServer(ZONE), "alias.test", "A")) == [
        "fe1.test.",
        "127.0.0.11",
    ]


def test_a_loop_of_aliases_ends():
    assert ask(ZoneServer(ZONE), "loop.test", "A").rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("fe1.test", dns.rcode.NOERROR),  # exists, has no AAAA
        ("pool.test", dns.rcode.NOERROR),  # exists because something is below it
        ("nobody.test", dns.rcode.NXDOMAIN),
    ],
)
def test_no_such_record_differs_from_no_such_name(name, rcode):
    response = ask(ZoneServer(ZONE, negative_ttl=7), name, "AAAA")
    assert response.rcode() == rcode
    assert response.answer == []
    assert response.authority[0].ttl == 7


def test_records_can_be_changed_and_taken_away():
    zone = ZoneServer(ZONE)
    zone.set("fe1.test A", ["127.0.0.12", "127.0.0.13"], ttl=3)
    response = ask(zone, "fe1.test", "A")
    assert sorted(texts(response)) == ["127.0.0.12", "127.0.0.13"]
    assert response.answer[0].ttl == 3
    zone.remove("fe1.test")
    assert ask(zone, "fe1.test", "A").rcode() == dns.rcode.NXDOMAIN


def test_the_lines_of_a_master_file_are_understood():
    zone = ZoneServer("fe1.test. 30 IN A 127.0.0.11\nfe1.test. 30 IN A 127.0.0.12\n")
    response = ask(zone, "fe1.test", "A")
    assert sorted(texts(response)) == ["127.0.0.11", "127.0.0.12"]
    assert response.answer[0].ttl == 30


def test_a_record_that_cannot_be_read_is_refused_at_once():
    with pytest.raises(dns.exception.DNSException):
        ZoneServer({"fe1.test A": "not an address"})
