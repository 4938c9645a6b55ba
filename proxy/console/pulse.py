"""What the running service says of itself, asked once for everybody who watches."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from proxy import clock
from proxy.admin.listener import client
from proxy.admin.observed.asking import ask_all
from proxy.admin.observed.nodes import rows_of
from proxy.config import Config
from proxy.console.hour import Hour, counts

log = structlog.get_logger()

FRESH: Final = 1.0
"""Seconds for which one answer is good enough for all."""
LOOK_EVERY: Final = 10.0
"""Seconds between two looks at the counters."""
NODES_EVERY: Final = 2.0
"""Seconds between two looks at the nodes of a store that several share."""


class Pulse:
    """The service of this console's configuration.

    ``status`` is that of its admin listener, None while it does not answer, and then
    ``problem`` says why.  ``nodes`` are all that share its store, as they were seen by
    ``run``: no page waits for a node that is silent.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self.hour = Hour()
        self.status: dict[str, Any] | None = None
        self.problem = ""
        self.nodes: list[dict[str, Any]] = []

    async def look(self) -> dict[str, Any] | None:
        """The service's status, at most ``FRESH`` seconds old; None for no answer."""
        async with self._lock:
            if clock.boottime() - self._asked_at >= FRESH:
                await self._ask()
                self._asked_at = clock.boottime()
        return self.status

    async def _ask(self) -> None:
        try:
            found = await asyncio.to_thread(
                client.call_json, self._config, "GET", "/status"
            )
        except (client.AdminError, ValueError) as error:
            self.status, self.problem = None, str(error)
            return
        is_ours = isinstance(found, dict) and "phase" in found and "pools" in found
        self.status = found if is_ours else None
        self.problem = "" if is_ours else "what answers there is no Waypost"

    async def count(self) -> None:
        """Look at the counters; skip that while the service does not answer."""
        try:
            status, body = await asyncio.to_thread(
                client.call, self._config, "GET", "/metrics"
            )
        except client.AdminError:
            return
        if status == 200:
            self.hour.add(counts(body.decode("utf-8", "replace")), clock.wall())

    async def look_at_nodes(self) -> None:
        """Ask every node how it is; none where there is one node alone."""
        told = await asyncio.to_thread(ask_all, self._config, "/status", {})
        found = rows_of(told)
        self.nodes = found if len(found) > 1 else []

    async def run(
        self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Look at counters and nodes until cancelled."""

        async def again(look: Callable[[], Awaitable[None]], pause: float) -> None:
            while True:
                await look()
                await sleep(pause)

        async with asyncio.TaskGroup() as both:
            both.create_task(again(self.count, LOOK_EVERY))
            both.create_task(again(self.look_at_nodes, NODES_EVERY))
