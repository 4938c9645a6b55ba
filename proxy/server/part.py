"""What a start asks of its part, where the process is one worker of several.

The workers' room implements it (``workers/part.py``); nothing here imports that room.
"""

from typing import Protocol

from proxy.core.siblings.directory import Siblings
from proxy.net.network import ListenOptions
from proxy.server.links import Links
from proxy.server.runtime import Runtime
from proxy.sip.flow import FlowTable


class Part(Protocol):
    """One worker's place among the workers of its node."""

    siblings: Siblings

    @property
    def is_first(self) -> bool:
        """The first worker does what is done once per node."""

    def prepare(self, flows: FlowTable, node: int) -> None:
        """Number our connections, and give the UDP listeners ports of our own."""

    def options(
        self, flows: FlowTable, options: dict[int, ListenOptions]
    ) -> dict[int, ListenOptions]:
        """``options`` with our sockets at their listeners."""

    def start_links(self, runtime: Runtime) -> Links:
        """Listen to the siblings, and tell them what happens from now on."""
