"""Sockets that the service manager opened for us (sd_listen_fds(3)).

The service manager keeps them open during a restart, so that no connection is refused
and no datagram lost.  A passed socket belongs to the ``[[listen]]`` entry with its
transport and address (decision 43); we open the sockets of other entries ourselves.
"""

import os
import socket
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from proxy.net.errors import NetError
from proxy.net.network import ListenOptions
from proxy.sip.flow import Listener
from proxy.sip.host import host_port

FIRST: Final = 3
_TYPES: Final[dict[str, int]] = {
    "udp": socket.SOCK_DGRAM,
    "tcp": socket.SOCK_STREAM,
    "tls": socket.SOCK_STREAM,
}


def passed_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The sockets handed to this process; takes the variables out of ``environ``."""
    count = environ.pop("LISTEN_FDS", "")
    process = environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_FDNAMES", None)
    if not count.isdecimal() or process != str(os.getpid()):
        return []
    found = []
    for number in range(FIRST, FIRST + int(count)):
        os.set_inheritable(number, False)
        found.append(socket.socket(fileno=number))
    return found


def adopt(
    passed: Sequence[socket.socket],
    listeners: Sequence[Listener],
    options: dict[int, ListenOptions],
) -> dict[int, ListenOptions]:
    """``options`` with each passed socket at its listener.

    Raises NetError for a socket that no ``[[listen]]`` entry describes: it would queue
    messages that are never read.
    """
    taken = dict(options)
    for each in passed:
        listener = _listener_of(each, listeners)
        if listener is None:
            raise NetError(
                f"the service manager passed {_describe(each)}, but no [[listen]] "
                "entry has that transport and address: make them agree"
            )
        known = taken.get(listener.index, ListenOptions())
        taken[listener.index] = replace(known, opened=each)
    return taken


def _listener_of(
    passed: socket.socket, listeners: Sequence[Listener]
) -> Listener | None:
    if passed.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    host, port = passed.getsockname()[:2]
    for listener in listeners:
        if (
            _TYPES[listener.transport] == passed.type
            and listener.port == port
            and ip_address(listener.host) == ip_address(host)
        ):
            return listener
    return None


def _describe(passed: socket.socket) -> str:
    if passed.family not in (socket.AF_INET, socket.AF_INET6):
        return f"a {passed.family.name} socket"
    host, port = passed.getsockname()[:2]
    kind = "udp" if passed.type == socket.SOCK_DGRAM else "tcp"
    return f"{kind} {host_port(host, port)}"
