"""The one way in which a listening socket is opened."""

import socket

import pytest

from proxy.net.bound_socket import open_socket
from proxy.net.errors import NetError


@pytest.mark.parametrize(
    ("transport", "kind"),
    [
        ("udp", socket.SOCK_DGRAM),
        ("tcp", socket.SOCK_STREAM),
        ("tls", socket.SOCK_STREAM),
    ],
)
def test_a_transport_has_its_kind_of_socket(transport, kind):
    with open_socket(transport, "127.0.0.1", 0) as opened:
        assert opened.type == kind
        assert opened.getsockname()[0] == "127.0.0.1"
        assert not opened.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        is_stream = kind == socket.SOCK_STREAM
        reuses = opened.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert bool(reuses) == is_stream


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_ipv6_leaves_ipv4_to_others(transport):
    with open_socket(transport, "::", 0) as six:
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        with open_socket(transport, "0.0.0.0", six.getsockname()[1]):
            pass


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_an_address_is_shared_only_by_those_that_want_to(transport):
    with open_socket(transport, "127.0.0.1", 0, reuse_port=True) as first:
        port = first.getsockname()[1]
        open_socket(transport, "127.0.0.1", port, reuse_port=True).close()
        if transport == "tcp":
            first.listen()
        with pytest.raises(NetError, match=f"127.0.0.1:{port} is in use") as error:
            open_socket(transport, "127.0.0.1", port)
        assert error.value.is_passing


def test_an_address_of_another_machine_may_come_yet():
    with pytest.raises(NetError, match="not an address of this machine") as error:
        open_socket("udp", "192.0.2.1", 5060)
    assert error.value.is_passing
