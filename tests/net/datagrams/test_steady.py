"""Peers with a socket of their own; how they fare on the wire is
``tests/wire/test_udp_steady.py``."""

import socket

import pytest

from proxy.net.datagrams.steady import SteadyPeer, SteadyPeers
from proxy.sip.flow import Flow, Listener


def bound(host: str) -> socket.socket:
    made = socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
    )
    made.bind((host, 0))
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_came_before_the_socket_was_connected_is_its_senders(host: str):
    """Between bind and connect the kernel may give it anybody's."""
    heard: list[tuple[bytes, int]] = []
    listener = Listener("udp", host, 0)
    owner = SteadyPeers(
        lambda flow, data: heard.append((data, flow.port)),
        lambda data, address: heard.append((data, address[1])),
        lambda opened: False,
        lambda: None,
        lambda: None,
    )
    with bound(host) as opened, bound(host) as stranger, bound(host) as peer:
        stranger.sendto(b"INVITE", opened.getsockname())
        opened.connect(peer.getsockname())
        opened.setblocking(False)
        port, foreign = peer.getsockname()[1], stranger.getsockname()[1]
        made = SteadyPeer(owner, Flow(listener, host, port), opened)
        made.readable()
        for _ in range(40):
            peer.sendto(b"BYE", opened.getsockname())
            made.readable()
    assert heard == [(b"INVITE", foreign), *([(b"BYE", port)] * 40)]
