"""What a start asks of its part, when the process is one worker of several.

``workers/part.py`` implements it; nothing here imports that package (decision 64).
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
        """Whether this is the first worker, which does what is done once per node."""

    def prepare(self, flows: FlowTable, node: int) -> None:
        """Set where our connections' numbers begin, and give each UDP listener its
        outlet."""

    def options(
        self, flows: FlowTable, options: dict[int, ListenOptions]
    ) -> dict[int, ListenOptions]:
        """``options`` with our sockets at their listeners."""

    def start_links(self, runtime: Runtime) -> Links:
        """Listen to the siblings, and tell them from now on what happens here."""
