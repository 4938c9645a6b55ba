"""Whether a Contact is its sender's own, so that its flow leads there (decision 6)."""

import pytest

from proxy.core.dialogs import remote_targets
from proxy.core.dialogs.remote_targets import (
    is_answerers_own,
    is_senders_own,
    leads_nowhere,
    nearest,
    next_hop_name,
    read_target,
    target_in,
)
from proxy.sip.errors import MalformedMessage
from proxy.sip.message import Request
from proxy.sip.uri import parse_uri
from tests.support.messages import read, request
from tests.support.playbook import HOSTS, Playbook

OUTBOUND = '<sip:alice@192.168.0.2>;+sip.instance="<urn:uuid:1>"'


def asked(*lines: str, **more: object) -> Request:
    message = read(request("INVITE sip:x@contoso.test", *lines, **more))
    assert isinstance(message, Request)
    message.via = message.top_via()
    return message


@pytest.mark.parametrize(
    ("contact", "peer", "own"),
    [
        ("<sip:alice@10.1.0.9:40000>", "client", True),
        ("<sip:alice@10.1.0.9:40001>", "client", False),
        ("<sip:alice@10.1.0.9:40001>", "client/tcp", True),
        ("<sip:alice@10.1.0.7:40000>", "client", False),
        ("<sip:alice@contoso.test;gruu>", "client", True),
        ("<sip:alice@10.0.0.5:5060>", "client", True),
        ("<sip:alice@192.168.0.2:5060>", "client", False),
        ("<sip:alice@192.168.0.2:5060>", "fe3", False),
        (OUTBOUND, "client", False),
        (OUTBOUND, "client/tcp", True),
        ("<sip:alice@192.168.0.2;ob>", "client/tcp", True),
    ],
)
def test_a_contact_is_its_senders_own_or_somebody_elses(contact, peer, own) -> None:
    play = Playbook()
    target = read_target(contact.encode())
    flow = play.flow(peer)
    assert is_senders_own(target, asked(), flow, play.core.identity) is own


def test_through_another_proxy_address_and_port_must_both_agree() -> None:
    play = Playbook()
    vias = ["SIP/2.0/TCP 10.0.2.1:5060;branch=z9hG4bK-e", "SIP/2.0/TCP 10.1.0.9:40000"]
    through = asked(via=vias)
    flow, identity = play.flow("edge/tcp"), play.core.identity
    for contact, own in (
        (b"<sip:alice@10.0.2.1:5060;transport=tcp>", True),
        (b"<sip:alice@10.0.2.1:5070;transport=tcp>", False),
        (OUTBOUND.encode(), False),
    ):
        target = read_target(contact)
        assert is_senders_own(target, through, flow, identity) is own


@pytest.mark.parametrize(
    ("contact", "front_end", "own"),
    [
        ("<sip:x@10.0.1.1>", "fe1.pool.test", True),
        ("<sip:x@fe1.pool.test>", "fe1.pool.test", True),
        ("<sip:x@fe1.pool.test:5070>", "fe1.pool.test", False),
        ("<sip:x@fe2.pool.test>", "fe1.pool.test", False),
        ("<sip:x@10.0.1.1;transport=tcp>", "fe1.pool.test", False),
        ("<sip:x@contoso.test>", "fe1.pool.test", True),
        ("<sip:x@10.9.9.9:7000>", "", True),  # what was asked
        ("<sip:x@10.9.9.9:7001>", "", False),
    ],
)
def test_whose_contact_an_answer_carries(contact, front_end, own) -> None:
    play = Playbook()
    sent = next_hop_name(parse_uri(b"sip:x@10.9.9.9:7000"))
    target = read_target(contact.encode())
    found = is_answerers_own(
        target, play.flow("fe1"), sent, front_end, play.core.identity
    )
    assert found is own


def test_a_private_address_seen_from_a_public_one_leads_nowhere() -> None:
    assert leads_nowhere("192.168.0.2", "203.0.113.9") is False
    assert leads_nowhere("192.168.0.2", "8.8.8.8")
    assert not leads_nowhere("8.8.4.4", "8.8.8.8")
    assert not leads_nowhere("192.168.0.2", "10.0.0.1")
    assert not leads_nowhere("fe80::1", "fe80::2%eth0")
    assert not leads_nowhere("alice.test", "8.8.8.8")


def test_the_nearest_hop_is_the_last_record_route_then_the_contact() -> None:
    contact = "Contact: <sip:alice@10.1.0.9>"
    route = f"Record-Route: <sip:{HOSTS['edge']};lr>, <sip:far.test;lr>"
    found = nearest(asked(contact, route))
    assert found is not None and found.uri.host == HOSTS["edge"]
    found = nearest(asked(contact))
    assert found is not None and found.uri.host == "10.1.0.9"
    assert nearest(asked()) is None


def test_one_hop_has_one_name_however_it_is_written() -> None:
    names = {
        next_hop_name(parse_uri(each))
        for each in (b"sip:a@h", b"sip:h:5060", b"sip:h;transport=udp", b"sip:b@H")
    }
    assert names == {"h 5060 udp"}
    assert next_hop_name(parse_uri(b"sips:h")) == "h 5061 tls"
    assert next_hop_name(parse_uri(b"sip:h;transport=tcp")) == "h 5060 tcp"


def test_what_was_read_is_kept_within_bounds_and_what_is_broken_is_not() -> None:
    with pytest.raises(MalformedMessage):
        read_target(b"<sip:a")
    assert target_in(b"<sip:a") is None
    assert target_in(b"<sip:a@h>") is target_in(b"<sip:a@h>")
    for n in range(remote_targets._KEPT + 5):
        target_in(b"<sip:a@h%d.test>" % n)
    target_in(b"<sip:%b@h>" % (b"a" * remote_targets._LONGEST))
    assert len(remote_targets._read) <= remote_targets._KEPT
    assert all(len(x) <= remote_targets._LONGEST for x in remote_targets._read)
