"""Asks the store for addresses that memory does not know, while requests wait.

It asks one question at a time, with all addresses that have come up meanwhile, so a
flood of unknown addresses costs few questions.  When the store is away or slow, one
round a second waits for it, for a quarter of a second; all other requests go on with
what memory knows.
"""

from typing import Final

import structlog

from proxy import clock
from proxy.core import commands, events
from proxy.server.runtime import Runtime
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

AT_ONCE: Final = 200
SILENCE: Final = 1.0
"""Seconds until the next question after the store did not answer."""


class LookUps:
    """Asks in rounds, and counts the results in ``runtime.look_ups``."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._wanted: list[str] = []
        self._is_asking = False
        self._silent_until = float("-inf")

    def add(self, command: commands.LookUp) -> None:
        """Ask for one more address."""
        self._wanted.append(command.aor)
        if not self._is_asking:
            self._is_asking = True
            # In a task, because the core is in the middle of its turn.
            self._runtime.tasks.start(self._ask(), "look-up")

    async def _ask(self) -> None:
        try:
            while self._wanted:
                aors = self._wanted[:AT_ONCE]
                del self._wanted[:AT_ONCE]
                for event in await self._answers(aors):
                    self._runtime.step(event)
        finally:
            self._is_asking = False

    async def _answers(self, aors: list[str]) -> list[events.LookedUp]:
        loop, counts = self._runtime.loop, self._runtime.look_ups
        if loop.time() >= self._silent_until:
            try:
                known = await self._store.look_up(aors, clock.wall())
            except StoreError as error:
                self._silent_until = loop.time() + SILENCE
                log.debug("store.unavailable", reason=str(error))
            except Exception as error:
                self._runtime.carrier.faults.note("look-up.failed", error)
            else:
                answers = [
                    events.LookedUp(each.aor, each.bindings, each.learned)
                    for each in known
                ]
                hits = sum(1 for each in known if each.bindings or each.learned)
                counts["found"] += hits
                counts["unknown"] += len(known) - hits
                told = {each.aor for each in known}
                # Every parked request needs an answer, also after a failure.
                return answers + [events.LookedUp(x) for x in aors if x not in told]
        counts["failed"] += len(aors)
        return [events.LookedUp(aor) for aor in aors]
