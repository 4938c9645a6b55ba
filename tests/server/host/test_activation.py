"""Sockets of the service manager: taken, given to their listeners, or refused."""

import os
import socket

import pytest

from proxy.net.errors import NetError
from proxy.net.network import ListenOptions
from proxy.server.host import activation
from proxy.server.host.activation import adopt, passed_sockets
from proxy.sip.flow import Listener


@pytest.fixture
def opened():
    made = []

    def bind(kind: int, host: str = "127.0.0.1") -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made.append(socket.socket(family, kind))
        made[-1].bind((host, 0))
        return made[-1]

    yield bind
    for each in made:
        each.close()


def listener(opened: socket.socket, transport: str, index: int = 0) -> Listener:
    host, port = opened.getsockname()[:2]
    return Listener(transport, host, port, index=index)  # type: ignore[arg-type]


def test_a_socket_goes_to_the_listener_of_its_kind_and_address(opened) -> None:
    udp, tcp = opened(socket.SOCK_DGRAM), opened(socket.SOCK_STREAM)
    known = {1: ListenOptions(reuse_port=True)}
    listeners = [listener(udp, "udp"), listener(tcp, "tls", 1)]
    taken = adopt([tcp, udp], listeners, known)
    assert taken[0].opened is udp and taken[1].opened is tcp
    assert taken[1].reuse_port, "what was said of it before stays"
    assert known[1].opened is None


def test_an_address_is_compared_as_one_and_not_as_a_text(opened) -> None:
    tcp = opened(socket.SOCK_STREAM, "::1")
    port = tcp.getsockname()[1]
    spelled = Listener("tcp", "0:0:0:0:0:0:0:1", port)
    assert adopt([tcp], [spelled], {})[0].opened is tcp


def test_a_socket_that_nothing_describes_is_named_and_refused(opened) -> None:
    udp = opened(socket.SOCK_DGRAM)
    port = udp.getsockname()[1]
    for other in (
        Listener("tcp", "127.0.0.1", port),
        Listener("udp", "127.0.0.2", port),
    ):
        with pytest.raises(NetError, match=rf"udp 127\.0\.0\.1:{port}"):
            adopt([udp], [other], {})
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local,
        pytest.raises(NetError, match="AF_UNIX"),
    ):
        adopt([local], [listener(udp, "udp")], {})


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "many", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_what_is_not_for_this_process_is_left_alone_and_no_child_hears(environ) -> None:
    environ = {**environ, "LISTEN_FDNAMES": "x", "OTHER": "y"}
    assert passed_sockets(environ) == [] and environ == {"OTHER": "y"}


def test_ours_are_taken_and_no_child_inherits_them(opened, monkeypatch) -> None:
    udp = opened(socket.SOCK_DGRAM)
    number = os.dup(udp.fileno())
    os.set_inheritable(number, True)
    monkeypatch.setattr(activation, "FIRST", number)
    environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    (found,) = passed_sockets(environ)
    with found:
        assert found.getsockname() == udp.getsockname()
        assert not os.get_inheritable(number) and environ == {}
