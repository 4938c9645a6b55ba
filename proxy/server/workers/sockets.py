"""The sockets of all workers, which their supervisor opens once and keeps.

Each worker has a socket of its own on every address (SO_REUSEPORT).  The kernel chooses
the socket by the client's address and port, and by the number of sockets, so a client
always meets the same worker.  The supervisor never closes them: if the socket of a dead
worker went away, the clients of all others would move (decision 56).  So they stay, and
the clients of the dead worker wait for its successor.
"""

import secrets
import socket
from collections.abc import Sequence
from typing import Final

from proxy.net.acceptor import BACKLOG
from proxy.net.bound_socket import open_socket
from proxy.net.errors import NetError
from proxy.server.host.activation import adopt
from proxy.sip.flow import Listener
from proxy.sip.host import host_port

LINK_BACKLOG: Final = 256


class WorkerSockets:
    """What one worker inherits.

    ``listeners`` has the sockets by index of the listener.  ``outlets`` are its own UDP
    ports, in the order of the UDP listeners.  On ``link`` its siblings reach it.
    """

    def __init__(self, link: socket.socket) -> None:
        self.listeners: dict[int, socket.socket] = {}
        self.outlets: list[socket.socket] = []
        self.link = link

    def all(self) -> list[socket.socket]:
        """Every socket."""
        return [*self.listeners.values(), *self.outlets, self.link]


class NodeSockets:
    """The sockets of every worker; ``names`` are the addresses of their links."""

    def __init__(self) -> None:
        self.workers: list[WorkerSockets] = []
        self.names: list[str] = []

    def outlet_ports(self) -> list[list[int]]:
        """By worker the UDP ports of its own, in the order of the UDP listeners."""
        return [
            [each.getsockname()[1] for each in worker.outlets]
            for worker in self.workers
        ]

    def close(self) -> None:
        """Close everything in this process; the workers have copies."""
        for worker in self.workers:
            for each in worker.all():
                each.close()


def open_sockets(
    listeners: Sequence[Listener],
    passed: Sequence[socket.socket],
    count: int,
    first_port: int = 0,
) -> NodeSockets:
    """Open everything for ``count`` workers.

    ``passed`` are the sockets of the service manager.  ``first_port`` is the lowest of
    the workers' own UDP ports; 0 takes any that are free.  Raises NetError, and then
    leaves nothing open, what was ``passed`` included.
    """
    found = NodeSockets()
    try:
        adopted = adopt(passed, listeners, {})
        given = {index: option.opened for index, option in adopted.items()}
        secret = secrets.token_hex(16)
        for worker in range(count):
            name = f"\0waypost-{secret}-{worker}"
            found.names.append(name)
            found.workers.append(WorkerSockets(_link(name)))
        for listener in listeners:
            _open_shared(found, listener, given.get(listener.index))
        udp = [each for each in listeners if each.transport == "udp"]
        for worker, sockets in enumerate(found.workers):
            for number, listener in enumerate(udp):
                port = first_port + worker * len(udp) + number if first_port else 0
                sockets.outlets.append(open_socket("udp", listener.host, port))
    except BaseException:
        found.close()
        for each in passed:
            each.close()
        raise
    return found


def _open_shared(
    found: NodeSockets, listener: Listener, given: socket.socket | None
) -> None:
    port = listener.port
    for number, worker in enumerate(found.workers):
        if given is not None and (number == 0 or listener.transport != "udp"):
            # All workers may accept from one passed stream socket.  Not so with UDP:
            # any of them would get the datagrams of another one's transactions.
            opened = given if number == 0 else given.dup()
            if listener.transport == "udp":
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        elif given is not None:
            opened = _beside(listener, port)
        else:
            opened = _shared(listener.transport, listener.host, port)
        worker.listeners[listener.index] = opened
        port = opened.getsockname()[1]
        if listener.transport != "udp":
            opened.listen(BACKLOG)
    listener.bound_to(port)


def _beside(listener: Listener, port: int) -> socket.socket:
    """A UDP socket on the address of one that the service manager passed."""
    try:
        return _shared("udp", listener.host, port)
    except NetError as error:
        raise NetError(
            f"the service manager passed udp {host_port(listener.host, port)}, and no "
            f"worker may bind that address beside it ({error}): take the "
            "ListenDatagram= line out "
            "of waypost.socket (Waypost then opens the address itself), or write "
            "workers = 1"
        ) from None


def _shared(transport: str, host: str, port: int) -> socket.socket:
    return open_socket(transport, host, port, reuse_port=True)


def _link(name: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    opened.bind(name)
    opened.listen(LINK_BACKLOG)
    return opened
