"""Drain: the orderly end of the service (decision 41).

SIGTERM or ``waypost drain`` begins it.  From then on requests that begin something get
503 with Retry-After (event ``Draining``), and ``/ready`` says 503 while ``/health``
stays 200.  Requests under way go on.  The drain is over when none waits for its answer
any more, or after ``[server] drain_seconds``.

It does not wait for dialogs: requests inside them are routed by Record-Route alone, so
the next process goes on with them.
"""

import asyncio

import structlog

from proxy.core import events
from proxy.core.proxy import ProxyCore
from proxy.server.host.notify import Notifier
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState

log = structlog.get_logger()

LOOK = 0.05
"""Seconds between two looks at the open transactions."""
_OPEN_CLIENT = ("calling", "trying", "proceeding")
_OPEN_SERVER = ("trying", "proceeding")


class Drain:
    """Decides when the service may end; ``ended`` is set then.

    ``runtime`` is None until the service has started.
    """

    def __init__(self, state: ServiceState, limit: float, notifier: Notifier) -> None:
        self.state = state
        self.limit = limit
        self.ended = asyncio.Event()
        self.runtime: Runtime | None = None
        self._notifier = notifier

    @property
    def is_begun(self) -> bool:
        """True once nothing new is taken."""
        return self.state.phase == "draining"

    def begin(self) -> int:
        """Begin to drain; returns how many transactions are open.

        Further calls change nothing.
        """
        if self.runtime is None:
            self.ended.set()
            return 0
        left = open_transactions(self.runtime.core)
        if not self.is_begun:
            self.state.phase = "draining"
            self.runtime.step(events.Draining())
            log.info("service.draining", limit=self.limit, transactions=left)
            self._notifier.tell("STOPPING=1", f"STATUS=draining, {left} left")
            self.runtime.tasks.start(self._wait(self.runtime), "drain")
        return left

    def terminate(self) -> None:
        """SIGTERM: the first one begins to drain, the second one ends at once."""
        if self.is_begun:
            self.stop()
        else:
            self.begin()

    def stop(self) -> None:
        """End now."""
        self.ended.set()

    async def _wait(self, runtime: Runtime) -> None:
        deadline = runtime.loop.time() + self.limit
        while (left := open_transactions(runtime.core)) > 0:
            if runtime.loop.time() >= deadline:
                log.warning("service.drain_cut", transactions=left)
                break
            await asyncio.sleep(LOOK)
        self.ended.set()


def open_transactions(core: ProxyCore) -> int:
    """Transactions that still wait for a final response, both sides together."""
    layer = core.transactions
    clients = sum(1 for each in layer.clients.values() if each.state in _OPEN_CLIENT)
    servers = sum(1 for each in layer.servers.values() if each.state in _OPEN_SERVER)
    return clients + servers
