"""Peers in steady use have a UDP socket of their own, and nothing else is different."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from proxy.net.datagrams.udp import UdpListener
from proxy.net.network import ListenOptions, Network
from proxy.sip.flow import Flow, FlowTable, Listener
from tests.support.loops import DirectPolicy
from tests.support.recorder import Recorder

ENOUGH = 300  # datagrams after which a peer is in steady use


@pytest.fixture(scope="module")
def event_loop_policy() -> DirectPolicy:
    """The loop of the service; on asyncio's own there are no such sockets."""
    return DirectPolicy()


def bound(host: str, port: int = 0) -> socket.socket:
    made = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
    )
    made.bind((host, port))
    made.settimeout(10)
    return made


@pytest.fixture
def peer(host: str) -> Iterator[socket.socket]:
    with bound(host) as made:
        yield made


def listener_of(network: Network) -> UdpListener:
    return network.udp[0]


def address_of(network: Network) -> tuple[str, int]:
    listener = network.flows.listeners[0]
    return listener.host, listener.port


def flow_to(network: Network, port: int, is_proven: bool = True) -> Flow:
    listener = network.flows.listeners[0]
    flow = network.flows.udp(listener, listener.host, port)
    flow.is_proven = is_proven
    return flow


def steady(network: Network) -> int:
    peers = listener_of(network)._steady
    return 0 if peers is None else len(peers)


def send(network: Network, flow: Flow, peer: socket.socket, count: int) -> None:
    """Sent, and received at once: nothing may be lost on the way to the test."""
    for number in range(count):
        network.send(flow, b"M%d" % number)
        data, source = peer.recvfrom(100)
        assert (data, source[:2]) == (b"M%d" % number, address_of(network))


async def test_a_peer_in_steady_use_gets_and_sends_as_before(
    network: Network, recorder: Recorder, peer: socket.socket, host: str
):
    flow = flow_to(network, peer.getsockname()[1])
    send(network, flow, peer, ENOUGH)
    assert steady(network) == 1
    send(network, flow, peer, ENOUGH)
    sent = [b"A%d" % number for number in range(100)]
    for data in sent:
        peer.sendto(data, address_of(network))
    got = await recorder.wait("datagram", len(sent))
    assert [data for _, data in got] == sent and {each for each, _ in got} == {flow}
    assert listener_of(network).datagrams_received == len(sent)


async def test_all_others_stay_with_the_listener(
    network: Network, recorder: Recorder, peer: socket.socket, host: str
):
    flow = flow_to(network, peer.getsockname()[1])
    send(network, flow, peer, ENOUGH)
    with bound(host) as stranger:
        for number in range(20):
            stranger.sendto(b"S%d" % number, address_of(network))
            peer.sendto(b"P%d" % number, address_of(network))
        got = await recorder.wait("datagram", 40)
        ports = {data[:1]: set() for _, data in got}
        for each, data in got:
            ports[data[:1]].add(each.port)
        assert ports == {b"S": {stranger.getsockname()[1]}, b"P": {flow.port}}


async def test_a_keep_alive_is_one_and_an_empty_line_before_a_message_none(
    network: Network, recorder: Recorder, peer: socket.socket
):
    flow = flow_to(network, peer.getsockname()[1])
    send(network, flow, peer, ENOUGH)
    for data in (b"\r\n\r\n", b"", *([b"X"] * 20), b"\r\nOPTIONS"):
        peer.sendto(data, address_of(network))
    got = await recorder.wait("datagram", 21)
    assert got[-1] == (flow, b"OPTIONS")
    assert listener_of(network).keepalives == 2


async def test_an_address_that_has_not_answered_gets_no_socket(
    network: Network, peer: socket.socket
):
    flow = flow_to(network, peer.getsockname()[1], is_proven=False)
    send(network, flow, peer, 2 * ENOUGH)
    assert steady(network) == 0


async def test_a_peer_that_is_gone_is_told_with_the_datagram_and_may_come_back(
    network: Network, recorder: Recorder, host: str
):
    with bound(host) as peer:
        flow = flow_to(network, port := peer.getsockname()[1])
        send(network, flow, peer, ENOUGH)
        assert steady(network) == 1
    network.send(flow, b"lost")
    assert recorder.calls == []  # never from inside send
    [(told, data, reason)] = await recorder.wait("datagram_refused")
    assert (told, data, reason) == (flow, b"lost", "refused")
    assert steady(network) == 0
    with bound(host, port) as back:
        send(network, flow, back, 10)
        back.sendto(b"here", address_of(network))
        assert await recorder.wait("datagram") == [(flow, b"here")]


async def test_what_comes_when_a_peer_is_gone_is_sent_all_the_same(
    network: Network, recorder: Recorder, host: str
):
    """An error is raised by the next call, whatever that is about."""
    with bound(host) as peer:
        flow = flow_to(network, peer.getsockname()[1])
        send(network, flow, peer, ENOUGH)
    network.send(flow, b"one")
    network.send(flow, b"two")
    told = await recorder.wait("datagram_refused", 2)
    assert {data for _, data, _ in told} == {b"one", b"two"}


async def test_no_other_program_can_have_the_address_afterwards(
    network: Network, peer: socket.socket, host: str
):
    flow = flow_to(network, peer.getsockname()[1])
    send(network, flow, peer, ENOUGH)
    assert steady(network) == 1
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        with socket.socket(family, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(address_of(network))


async def test_the_sockets_close_with_the_listener(
    host: str, recorder: Recorder, peer: socket.socket
):
    network = Network(FlowTable([Listener("udp", host, 0)]), recorder)
    await network.open()
    flow = flow_to(network, peer.getsockname()[1])
    send(network, flow, peer, ENOUGH)
    peers = listener_of(network)._steady
    assert peers is not None
    (one,) = peers._peers.values()
    await network.close()
    assert one.opened.fileno() == -1 and not len(peers)
    bound(host, flow.listener.port).close()  # free again


async def test_a_socket_of_all_addresses_or_of_others_has_none_beside_it(
    recorder: Recorder,
):
    with contextlib.ExitStack() as stack:
        opened = stack.enter_context(bound("127.0.0.1"))
        for listener, options in (
            (Listener("udp", "0.0.0.0", 0), ListenOptions()),
            (Listener("udp", "127.0.0.1", 0), ListenOptions(opened=opened)),
            (Listener("udp", "127.0.0.1", 0), ListenOptions(reuse_port=True)),
        ):
            flows = FlowTable([listener])
            network = Network(flows, recorder, options={listener.index: options})
            await network.open()
            assert listener_of(network)._steady is None
            await network.close()
