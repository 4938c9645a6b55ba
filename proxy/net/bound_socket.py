"""Opens the sockets that we listen on, every one of them."""

import socket

from proxy.net.errors import bind_error


def open_socket(
    transport: str, host: str, port: int, *, reuse_port: bool = False
) -> socket.socket:
    """A bound socket, a stream one not listening yet; raises NetError.

    An IPv6 address is IPv6 alone: IPv4 has a listener of its own.  ``reuse_port`` lets
    other sockets share the address.
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
            # What is left of connections of the process before must not keep us out.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise bind_error(transport, host, port, error) from error
    return opened
