"""Keeps memory equal to the store: table, bindings and users that others change.

Four times a second it asks the store what is new since the last answer, so it misses
nothing, however long the store was away (decision 65).  A table is replaced as a whole,
so that no request sees half a cutover.
"""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.core import events
from proxy.server.runtime import Runtime
from proxy.server.state import ServiceState
from proxy.store.errors import StoreError
from proxy.store.interface import Store
from proxy.store.news import News

log = structlog.get_logger()

FOLLOW: Final = 0.25
"""Seconds between two looks at the store: a change counts within 1 s."""


class StoreFollower:
    """Asks the store for news after ``mark``; everything before has been loaded."""

    def __init__(
        self, store: Store, runtime: Runtime, state: ServiceState, mark: str
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._state = state
        self._mark = mark

    async def run(self) -> None:
        """Follow until cancelled; while the store is away, requests are routed by what
        is known."""
        while True:
            await asyncio.sleep(FOLLOW)
            await self.look()

    async def look(self) -> None:
        """Take all news there is."""
        state = self._state
        try:
            while not await self._take(await self._store.news(self._mark)):
                pass
        except StoreError as error:
            if not state.store_problem:
                log.error("store.unavailable", reason=str(error))
            state.store_problem = str(error)
            return
        away = state.store_away_for
        if away is not None:
            log.info("store.back", away_seconds=round(away, 1))
        state.store_answers()

    async def _take(self, news: News) -> bool:
        """Take one answer; False when there is more to ask for."""
        if self._runtime.core.registrar is not None:
            if news.bindings is None:
                await load_location(self._store, self._runtime)
            else:
                # No await between the answer and this step: bindings saved from now on
                # must be applied on top.
                if news.bindings:
                    self._runtime.step(events.BindingsChanged(news.bindings))
                if news.is_users:
                    users = await _users(self._store)
                    self._runtime.step(events.UsersChanged(users))
                    log.info("users.changed", users=len(users))
        if news.is_table:
            table = await self._store.load_table()
            self._runtime.swap_table(table)
            log.info("table.changed", version=table.version)
        self._mark = news.mark
        return news.is_all


async def load_location(store: Store, runtime: Runtime) -> None:
    """Hold exactly the bindings and users of the store; raises StoreError."""
    users = await _users(store)
    bindings = await store.bindings(None, clock.wall())
    # No await between the answer and this step: bindings saved from now on must be
    # applied on top.
    runtime.step(events.LocationLoaded(bindings, users))
    log.info("registrar.loaded", bindings=len(runtime.core.location))


async def _users(store: Store) -> dict[str, dict[str, str]]:
    return {user.name: dict(user.ha1) for user in await store.users()}
