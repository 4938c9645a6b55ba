"""A link-local peer is answered over the link that it was heard on."""

import socket

import pytest

from proxy.net.datagrams.backlog import Pressure
from proxy.net.datagrams.links import Links
from proxy.net.datagrams.udp import UdpListener
from proxy.net.outbox import Outbox
from proxy.sip.flow import FlowTable, Listener
from tests.support.fake_net import FakeLoop
from tests.support.recorder import Recorder

LISTENER = Listener("udp", "::", 5060)
REQUEST = b"OPTIONS sip:a SIP/2.0\r\n"
NEAR, FAR = ("fe80::9", 5062, 0, 3), ("2001:db8::9", 5062, 0, 0)


class Opened:
    """A socket with something to read; keeps where what is sent goes."""

    def __init__(self, *addresses, family=socket.AF_INET6):
        self.family = family
        self.waiting = [(REQUEST, each) for each in addresses]
        self.sent = []

    def setblocking(self, flag):
        pass

    def setsockopt(self, *option):
        pass

    def recvfrom(self, size):
        if not self.waiting:
            raise BlockingIOError
        return self.waiting.pop(0)

    def recvmsg(self, *arguments):
        raise BlockingIOError

    def sendto(self, data, address):
        self.sent.append(address)
        return len(data)


def heard(*addresses):
    """A listener that has read what came from these, its socket, and the flows."""
    sink, loop = Recorder(), FakeLoop()
    flows, pressure = FlowTable([LISTENER]), Pressure(sink.overloaded)
    udp = UdpListener(LISTENER, flows, sink, Outbox(loop), pressure)
    udp._take(Opened(*addresses))
    for _ in addresses:
        udp._readable()
    return udp, udp._socket, [flow for flow, _ in sink.of("datagram")]


def test_the_answer_names_the_link_of_a_link_local_peer_and_no_other():
    udp, opened, (near, again, far) = heard(NEAR, NEAR, FAR)
    assert near is again and (near.host, near.port) == NEAR[:2]
    for flow in (near, far):
        udp.send(flow, b"x")
    assert opened.sent == [NEAR, FAR[:2]]


def test_an_answer_to_another_port_goes_over_the_same_link():
    """RFC 3261 section 18.2.2: to the port of Via, where the request has no rport."""
    udp, opened, (near,) = heard(NEAR)
    udp.send(udp._flows.udp(LISTENER, near.host, 5060), b"x")
    assert opened.sent == [("fe80::9", 5060, 0, 3)]


def test_a_peer_that_begins_with_empty_lines_has_a_link_too():
    udp, opened, _ = heard(FAR)
    udp._heard(b"\r\n\r\n" + REQUEST, NEAR)
    udp.send(udp._flows.udp(LISTENER, *NEAR[:2]), b"x")
    assert opened.sent == [NEAR]


@pytest.mark.parametrize("most", [1, 2])
def test_so_many_links_are_kept_and_the_oldest_goes_first(most):
    links, opened = Links(LISTENER, FlowTable([LISTENER], max_udp=most)), Opened()
    send = links.sender(opened)
    for host, link in (("fe80::1", 2), ("fe80::2", 3), ("fe80::1", 4), ("fe80::3", 5)):
        links.met((host, 5060, 0, link))
    for number in (1, 2, 3):
        send(b"x", (f"fe80::{number}", 5060))
    kept = [address[3] if len(address) == 4 else 0 for address in opened.sent]
    assert kept == ([0, 0, 5] if most == 1 else [4, 0, 5])


def test_ipv4_has_no_links():
    opened = Opened(family=socket.AF_INET)
    links = Links(LISTENER, FlowTable([LISTENER]))
    assert links.sender(opened) == opened.sendto
    assert links.met(("10.1.0.9", 5060)).host == "10.1.0.9"
