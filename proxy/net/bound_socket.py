"""Opens the sockets that we listen on, and sets the options of every connection."""

import contextlib
import socket
import sys
from typing import Final

from proxy.net.errors import bind_error
from proxy.net.settings import StreamSettings

_TCP_USER_TIMEOUT: Final = 18  # linux/tcp.h; the socket module has it on Linux only


def open_socket(
    transport: str, host: str, port: int, *, reuse_port: bool = False
) -> socket.socket:
    """A bound socket; a stream socket does not listen yet.  Raises NetError.

    A socket for an IPv6 address takes no IPv4, which has listeners of its own.
    ``reuse_port`` lets other sockets share the address.
    """
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    try:
        opened = socket.socket(family, kind)
    except OSError as error:
        raise bind_error(transport, host, port, error) from error
    try:
        if is_ipv6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            # After a restart the old process's connections (TIME_WAIT) would keep us
            # from binding.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise bind_error(transport, host, port, error) from error
    return opened


def tune(opened: socket.socket, settings: StreamSettings) -> None:
    """Options of every connection: no delay, and dead peers noticed in seconds.

    TCP_USER_TIMEOUT bounds how long unacknowledged data is retried; without it the
    kernel goes on for a quarter of an hour.
    """
    with contextlib.suppress(OSError):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "linux":
            milliseconds = int(settings.user_timeout * 1000)
            opened.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, milliseconds)
