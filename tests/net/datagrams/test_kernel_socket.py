"""The options of a datagram socket, and what its error queue tells."""

import errno
import socket
import struct
import sys
from collections.abc import Iterator

import pytest

from proxy.net.datagrams.kernel_socket import (
    BUFFER,
    MSG_ERRQUEUE,
    REASONS,
    drops,
    icmp_error,
    tune,
)
from tests.support.until import until

if sys.platform != "linux":
    pytest.skip("the error queue is Linux's", allow_module_level=True)

IP_RECVERR, IPV6_RECVERR = 11, 25


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.setblocking(False)
        opened.bind(("127.0.0.1", 0))
        yield opened


def told(number: int, origin: int) -> bytes:
    return struct.pack("=IBBBxII", number, origin, 3, 3, 0, 0) + bytes(16)


def test_a_refused_datagram_comes_back_with_its_reason(udp: socket.socket) -> None:
    tune(udp)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = nobody.getsockname()
    udp.sendto(b"what we sent", closed)
    found: list[tuple[bytes, int]] = []

    def comes_back() -> bool:
        try:
            data, ancillary, _, _ = udp.recvmsg(100, 512, MSG_ERRQUEUE)
        except OSError:
            return False
        found.append((data, icmp_error(ancillary)))
        return True

    until(comes_back)
    assert found == [(b"what we sent", errno.ECONNREFUSED)]
    assert REASONS[found[0][1]] == "refused"


@pytest.mark.parametrize(
    ("level", "kind", "origin", "number"),
    [
        (socket.IPPROTO_IP, IP_RECVERR, 2, errno.EHOSTUNREACH),
        (socket.IPPROTO_IPV6, IPV6_RECVERR, 3, errno.EHOSTUNREACH),
        (socket.IPPROTO_IP, IP_RECVERR, 1, 0),  # the kernel's own
        (socket.IPPROTO_IP, IPV6_RECVERR, 2, 0),
    ],
)
def test_only_what_icmp_says_counts(level, kind, origin, number) -> None:
    data = told(errno.EHOSTUNREACH, origin)
    assert icmp_error([(socket.SOL_SOCKET, 1, b""), (level, kind, data)]) == number


def test_its_buffers_are_large_as_far_as_the_system_lets_us(udp) -> None:
    before = udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    tune(udp)
    assert before < udp.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * BUFFER


def test_what_was_dropped_unread_is_counted(udp) -> None:
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    assert drops(udp) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(100):
            sender.sendto(b"x" * 1_000, udp.getsockname())
    until(lambda: drops(udp) > 0)


def test_a_socket_that_is_closed_tells_nothing() -> None:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.close()
    assert drops(opened) == 0
    tune(opened)
