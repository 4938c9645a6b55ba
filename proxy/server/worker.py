"""One worker: a whole proxy that answers to a supervisor instead of to signals.

It is forked, so it shares with its siblings what was loaded before, the directory in
memory and Python's hash seed.  It never decides about its own end: it drains and stops
when it is told to, or when its supervisor is gone.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TextIO

import structlog

from proxy.core.siblings import Siblings
from proxy.net.network import ListenOptions
from proxy.net.selector import DirectEventLoop
from proxy.server.node_sockets import WorkerSockets
from proxy.sip.flow import NODE_BITS, WORKER_BITS, FlowTable
from proxy.telemetry.outlet import outlet_of

log = structlog.get_logger()

LIVES: Final = 28
"""Connections of one life of a worker are counted below this bit."""


@dataclass(slots=True)
class WorkerPart:
    """What makes a process one worker of several.

    ``names`` are the addresses of all workers' links, ``outlet_ports`` their own UDP
    ports, ``channel`` the end of the line to the supervisor.
    """

    siblings: Siblings
    sockets: WorkerSockets
    names: list[str]
    outlet_ports: list[list[int]]
    channel: socket.socket
    ports: dict[int, int] = field(default_factory=dict)

    @property
    def is_first(self) -> bool:
        """The first worker does what is done once per node."""
        return self.siblings.index == 0

    def prepare(self, flows: FlowTable, node: int) -> None:
        """Number our connections, and give the UDP listeners ports of our own."""
        siblings = self.siblings
        life = siblings.life & 0xFFF
        flows.origin = node << NODE_BITS | siblings.index << WORKER_BITS | life << LIVES
        udp = [each for each in flows.listeners if each.transport == "udp"]
        for listener in flows.listeners:
            listener.bound_to(self.sockets.listeners[listener.index].getsockname()[1])
        for number, listener in enumerate(udp):
            port = self.outlet_ports[siblings.index][number]
            listener.add_outlet(port, len(flows.listeners) + number)
            siblings.outlets += (
                f"{listener.sent_host}:{ports[number]}".encode()
                for ports in self.outlet_ports
            )

    def options(
        self, flows: FlowTable, options: dict[int, ListenOptions]
    ) -> dict[int, ListenOptions]:
        """``options`` with our sockets at their listeners."""
        found = dict(options)
        udp = [each for each in flows.listeners if each.transport == "udp"]
        for listener in flows.listeners:
            tls = found.get(listener.index, ListenOptions()).tls
            opened = self.sockets.listeners[listener.index]
            found[listener.index] = ListenOptions(tls=tls, opened=opened)
        for listener, opened in zip(udp, self.sockets.outlets, strict=True):
            found[listener.outlet.index] = ListenOptions(opened=opened)
        return found


def become_worker(
    part: WorkerPart,
    serve: Callable[[WorkerPart], Coroutine[Any, Any, int]],
    stream: TextIO,
) -> NoReturn:
    """In a forked child: forget the supervisor's life, serve, and leave."""
    code = 1
    try:
        _forget_signals()
        kept = [*part.sockets.all(), part.channel]
        _close_all_but({0, 1, 2, stream.fileno(), *(x.fileno() for x in kept)})
        factory = DirectEventLoop if sys.platform == "linux" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            code = runner.run(serve(part))
    except BaseException:
        log.exception("worker.failed", worker=part.siblings.index)
    finally:
        outlet_of(stream).drain()
        # Never back into the supervisor's frames, which are still on our stack.
        os._exit(code)


def _forget_signals() -> None:
    """A service manager and a terminal signal everybody: the supervisor decides."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _close_all_but(kept: Iterable[int]) -> None:
    """The supervisor's epoll, listener and the siblings' sockets are not ours.

    A file that is open here too would not end where it is closed there.
    """
    wanted = set(kept)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number not in wanted:
            try:
                os.close(number)
            except OSError:
                continue  # the listing's own
