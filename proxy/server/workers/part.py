"""What one worker has of its node: sockets, UDP ports, and links to its siblings."""

import socket
from dataclasses import dataclass, field
from typing import Final

from proxy.core.siblings.directory import Siblings
from proxy.net.network import ListenOptions
from proxy.server.runtime import Runtime
from proxy.server.workers.links import SiblingLinks
from proxy.server.workers.news import NewsReader
from proxy.server.workers.sockets import WorkerSockets
from proxy.sip.flow import NODE_BITS, WORKER_BITS, FlowTable

LIVES: Final = 28
"""The bit from which on a connection's number has the life of its worker; below it the
worker counts."""


@dataclass(slots=True)
class WorkerPart:
    """What a process needs to be one worker of several.

    ``names`` are the addresses of all workers' links, ``outlet_ports`` their own UDP
    ports by worker, ``channel`` our end of the socket pair with the supervisor.
    """

    siblings: Siblings
    sockets: WorkerSockets
    names: list[str]
    outlet_ports: list[list[int]]
    channel: socket.socket
    ports: dict[int, int] = field(default_factory=dict)

    @property
    def is_first(self) -> bool:
        """Whether this is the first worker, which does what is done once per node."""
        return self.siblings.index == 0

    def prepare(self, flows: FlowTable, node: int) -> None:
        """Set where our connections' numbers begin, and give each UDP listener its
        outlet: the port that only this worker reads (decision 57)."""
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

    def start_links(self, runtime: Runtime) -> SiblingLinks:
        """Listen to the siblings, and tell them from now on what happens here."""
        network = runtime.network
        links = SiblingLinks(
            self.siblings,
            self.names,
            self.sockets.link,
            network.flows,
            network.outbox,
            NewsReader(runtime),
        )
        runtime.links = links
        network.flows.elsewhere = links
        links.open()
        return links
