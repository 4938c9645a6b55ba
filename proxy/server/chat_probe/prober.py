"""Plays a client's chat start through our own listener, to each front end of each pool
in use, on a schedule.

Of all workers and nodes that share a store one does it, by a lease.  Except for the
Route token that pins its two INVITEs (``core/routing/chat_probe.py``), it is a client
like any other, over a socket.  So it finds what a user would find at that front end
(decision 103).
"""

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from proxy.config.chat_probe import ChatProbeSection
from proxy.endpoints.model import Endpoint
from proxy.journey.probe import Way, probe
from proxy.journey.steps import Step
from proxy.pools.front_end import FrontEnd
from proxy.pools.selection import PREFERENCE, in_use
from proxy.server.chat_probe.results import ChatResults, Place, Result, describe
from proxy.server.runtime import Runtime
from proxy.sip.flow import Listener, Transport
from proxy.sip.host import LOOPBACK
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

LEASE: Final = "chat-probe"
LEASE_SECONDS: Final = 10.0
RENEW: Final = 3.0
LOOK: Final = 0.5
"""Seconds between two looks whether a round is due."""
STEP_TIMEOUT: Final = 5.0
TOKEN_SECONDS: Final = 90.0
"""Seconds that a token is valid: longer than a journey with the slowest steps."""
AT_ONCE: Final = 8
NAME: Final = "waypost-probe"
_BY_CHOICE: Final[tuple[Transport, ...]] = ("tcp", "tls", "udp")


@dataclass(frozen=True, slots=True)
class Goal:
    """One front end of one pool, and an endpoint whose users are sent there."""

    pool: str
    front_end: FrontEnd
    endpoint: Endpoint
    listener: Listener

    @property
    def place(self) -> Place:
        """The name in ``/status`` and log."""
        return self.pool, describe(self.front_end)


async def _nobody(_: Sequence[Result]) -> None:
    """Ignore what a round has found."""


class ChatProber:
    """Makes the rounds.

    ``section`` gives ``[chat_probe]`` as it is in force: a reload may turn the rounds
    on and off, and what it changes is tried at once.  ``hurry`` says how often a round
    is wanted besides what the configuration says, in seconds (0: not at all);
    ``on_round`` hears what each round has found.
    """

    def __init__(
        self,
        section: Callable[[], ChatProbeSection],
        runtime: Runtime,
        store: Store,
        results: ChatResults,
        is_ready: Callable[[], bool],
        tls: Callable[[Listener], ssl.SSLContext] | None = None,
    ) -> None:
        self._in_force, self._section = section, section()
        self._runtime = runtime
        self._store = store
        self._results = results
        self._is_ready = is_ready
        self._tls = tls
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
        self._has_lease = False
        self._renew_at = self._due_at = float("-inf")
        self.hurry: Callable[[], float] = lambda: 0.0
        self.on_round: Callable[[Sequence[Result]], Awaitable[None]] = _nobody

    async def run(self) -> None:
        """Make the rounds until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK)
                await self._look()
        finally:
            if self._has_lease:
                await self._give_back()

    async def _look(self) -> None:
        if self._in_force() != self._section:
            self._section, self._due_at = self._in_force(), float("-inf")
        every = self._every()
        self._results.every = every
        if not every:
            self._results.by = ""
            if self._has_lease:
                await self._give_back()
            return
        now = self._runtime.loop.time()
        if not self._is_ready() or not await self._leads(now):
            return
        if now >= self._due_at:
            self._due_at = now + every
            await self.round()
        elif self._due_at > now + every:
            self._due_at = now  # it has become more often

    def _every(self) -> float:
        wanted = [x for x in (self._section.interval, self.hurry()) if x]
        return min(wanted, default=0.0)

    # -- one of us ---------------------------------------------------------------

    async def _leads(self, now: float) -> bool:
        """Whether this process has the lease; while the store is away nobody else can
        get it, so it stays ours."""
        if now < self._renew_at:
            return self._has_lease
        self._renew_at = now + RENEW
        try:
            holder = await self._store.hold_lease(LEASE, self._holder, LEASE_SECONDS)
        except StoreError as error:
            log.debug("store.unavailable", reason=str(error))
            return self._has_lease
        self._has_lease = holder == self._holder
        self._results.by = "" if self._has_lease else holder.rpartition("/")[0]
        if not self._has_lease:
            self._results.keep(())
        return self._has_lease

    async def _give_back(self) -> None:
        self._has_lease = False
        self._renew_at = float("-inf")
        self._results.by = ""
        self._results.keep(())
        try:
            await self._store.hold_lease(LEASE, self._holder, 0.0)
        except StoreError as error:
            log.debug("store.unavailable", reason=str(error))

    # -- one round ---------------------------------------------------------------

    async def round(self) -> None:
        """Probe every front end once, some at a time."""
        goals = self._goals()
        self._results.keep({goal.place for goal in goals})
        by_place: dict[Place, list[Goal]] = {}
        for goal in goals:
            by_place.setdefault(goal.place, []).append(goal)
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(ways: list[Goal]) -> Result:
            async with slots:
                return await self._one(ways)

        found = await asyncio.gather(*map(one, by_place.values()))
        await self.on_round(found)

    def _goals(self) -> list[Goal]:
        runtime, table = self._runtime, self._runtime.core.router.table
        now, lookups = runtime.loop.time(), runtime.pool_lookups()
        aliases: dict[str, Endpoint] = {}
        for _, endpoint in sorted(table.endpoints.items()):
            if endpoint.state == "active":
                for pool in endpoint.pools:
                    aliases.setdefault(pool, endpoint)
        goals = []
        for pool, endpoint in aliases.items():
            resolution = runtime.resolver.cached(lookups[pool], now)
            if resolution is None:
                continue
            for listener in self._listeners():
                preference = PREFERENCE[listener.transport]
                goals += [
                    Goal(pool, front_end, endpoint, listener)
                    for front_end in in_use(resolution, preference)
                ]
        return goals

    def _listeners(self) -> list[Listener]:
        """One of our listeners for each transport that is to be tried."""
        first: dict[str, Listener] = {}
        for listener in self._runtime.core.flows.listeners:
            first.setdefault(listener.transport, listener)
        wanted = self._section.transports or [x for x in _BY_CHOICE if x in first][:1]
        return [first[x] for x in wanted if x in first]

    async def _one(self, ways: list[Goal]) -> Result:
        """Probe a front end over each transport of clients, until one fails."""
        steps: Sequence[Step] = ()
        for goal in ways:
            steps = await self._play(goal)
            if not all(step.ok for step in steps):
                break
        now = self._runtime.loop.time()
        goal = ways[0]
        alias = goal.endpoint.sip_address
        found, is_news = self._results.note(
            goal.pool, goal.front_end, alias, steps, now
        )
        if is_news:
            self._tell(found)
        return found

    async def _play(self, goal: Goal) -> Sequence[Step]:
        listener, front_end = goal.listener, goal.front_end
        until = self._runtime.loop.time() + TOKEN_SECONDS
        token = self._runtime.core.tokens.make_probe(
            goal.pool, front_end.transport, front_end.host, front_end.port, until
        )
        route = f"<sip:{token.decode()}@{listener.sent_by.decode()};lr>"
        host = LOOPBACK.get(listener.host, listener.host)
        context = None
        if listener.transport == "tls" and self._tls is not None:
            context = self._tls(listener)
        way = Way(
            (host, listener.port),
            listener.transport,
            host,
            context,
            listener.sent_host if context is not None else None,
            headers=(("Route", route),),
            timeout=STEP_TIMEOUT,
        )
        domain = goal.endpoint.key.partition("@")[2]
        user = self._section.user or f"sip:{NAME}@{domain}"
        return (await probe(way, goal.endpoint.sip_address, user=user)).steps

    def _tell(self, found: Result) -> None:
        words = {"pool": found.pool, "front_end": found.front_end}
        if found.is_good:
            took = round(sum(seconds for _, seconds in found.seconds), 3)
            log.info("chat.served", **words, seconds=took)
        else:
            log.warning("chat.failed", **words, step=found.step, why=found.reason)
