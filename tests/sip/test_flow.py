"""Listeners, flows and their table: what leads where, and what is kept of it."""

import pytest

from proxy.sip.flow import Flow, FlowTable, Listener

UDP = Listener("udp", "10.0.0.5", 5060, index=0)
UDP6 = Listener("udp", "2001:db8::5", 5060, index=1)
TCP = Listener("tcp", "10.0.0.5", 5060, index=2)
OTHER_TCP = Listener("tcp", "10.0.0.6", 5060, index=3)


def table(**more) -> FlowTable:
    return FlowTable([UDP, UDP6, TCP, OTHER_TCP], **more)


def test_a_listener_says_its_own_address_or_the_advertised_one() -> None:
    assert UDP.via_prefix == b"Via: SIP/2.0/UDP 10.0.0.5:5060;branch="
    assert UDP6.sent_by == b"[2001:db8::5]:5060"
    named = Listener("tls", "10.0.0.5", 0, advertised_host="proxy.test")
    named.bound_to(5061)
    assert named.sent_by == b"proxy.test:5061" and named.sent_port == 5061
    assert named.via_prefix_alias == b"Via: SIP/2.0/TLS proxy.test:5061;alias;branch="


def test_an_outlet_has_a_port_of_its_own_and_leads_back_to_the_common_one() -> None:
    listener = Listener("udp", "10.0.0.5", 5060, advertised_host="proxy.test")
    assert listener.outlet is listener.shared is listener
    outlet = listener.add_outlet(6000, 7)
    assert listener.outlet is outlet and outlet.shared is listener
    assert (outlet.index, outlet.sent_by) == (7, b"proxy.test:6000")


def test_a_udp_peer_has_one_flow_and_the_oldest_go() -> None:
    flows = table(max_udp=2)
    first = flows.udp(UDP, "10.1.0.1", 1)
    assert flows.udp(UDP, "10.1.0.1", 1) is first
    assert flows.udp(UDP6, "10.1.0.1", 1) is not first
    flows.udp(UDP, "10.1.0.2", 1)
    assert len(flows.udp_flows) == 2 and flows.udp(UDP, "10.1.0.1", 1) is not first


def test_a_friend_is_proven_from_the_first_datagram() -> None:
    flows = table()
    flows.is_friend = lambda host: host == "10.0.1.1"
    assert flows.udp(UDP, "10.0.1.1", 5060).is_proven
    assert not flows.udp(UDP, "10.1.0.1", 5060).is_proven


def test_the_newest_connection_to_an_address_is_used() -> None:
    flows = table()
    old, new = Flow(TCP, "10.1.0.1", 5, 1), Flow(TCP, "10.1.0.1", 5, 2)
    flows.add_stream(old)
    flows.add_stream(new)
    assert flows.stream("tcp", "10.1.0.1", 5) is new
    assert flows.stream_by_id(1) is old and flows.streams() == [old, new]
    flows.remove_stream(old)
    assert not old.is_open and flows.stream("tcp", "10.1.0.1", 5) is new
    flows.remove_stream(new)
    assert flows.stream("tcp", "10.1.0.1", 5) is None and flows.streams() == []


def test_an_alias_leads_to_a_connection_until_it_closes_and_takes_nobody_s_place():
    flows = table()
    accepted, opened = Flow(TCP, "10.1.0.1", 40000, 1), Flow(TCP, "10.1.0.1", 5060, 2)
    flows.add_stream(accepted)
    flows.add_alias(accepted, 5060)
    assert flows.stream("tcp", "10.1.0.1", 5060) is accepted
    flows.remove_stream(accepted)
    assert flows.stream("tcp", "10.1.0.1", 5060) is None
    flows.add_stream(opened)
    flows.add_alias(Flow(TCP, "10.1.0.1", 40001, 3), 5060)
    assert flows.stream("tcp", "10.1.0.1", 5060) is opened


@pytest.mark.parametrize(
    ("transport", "host", "like", "found"),
    [
        ("udp", "10.1.0.1", None, UDP),
        ("udp", "2001:db8::9", None, UDP6),
        ("tcp", "10.1.0.1", OTHER_TCP, OTHER_TCP),
        ("tcp", "10.1.0.1", UDP, TCP),
        ("udp", "10.1.0.1", UDP6, UDP),
        ("tls", "10.1.0.1", None, None),
        ("tcp", "2001:db8::9", TCP, None),
    ],
)
def test_we_send_from_where_the_request_came_if_that_fits(transport, host, like, found):
    assert table().listener_for(transport, host, like) is found


def test_the_link_of_a_peer_is_the_one_where_it_was_heard_last() -> None:
    flows = table(max_udp=2)
    assert flows.link_of(UDP6, "fe80::1") == 0
    for host, link in (("fe80::1", 3), ("fe80::2", 3), ("fe80::1", 4), ("fe80::3", 5)):
        flows.note_link(UDP6, host, link)
    assert flows.link_of(UDP6, "fe80::1") == 4
    assert flows.link_of(UDP6, "fe80::2") == 0 and len(flows.links) == 2


def test_both_ends_are_one_object_and_say_the_direction() -> None:
    flow = Flow(TCP, "10.1.0.1", 5, 9)
    ends = flow.both_ends()
    assert flow.both_ends() is ends and ends.is_in
    out = ends.outward
    assert out is not None and not out.is_in and out.connection_id == 9
    assert repr(flow) == "<Flow tcp:10.1.0.1:5#9>"
