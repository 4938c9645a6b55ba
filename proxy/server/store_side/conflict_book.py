"""Logs and counts old services that still register for the address of an endpoint."""

from collections import OrderedDict
from typing import Final

import structlog

from proxy import clock
from proxy.core import commands
from proxy.server.runtime import Runtime
from proxy.server.store_side.save_queue import SaveQueue
from proxy.store.interface import Store
from proxy.store.registrar import Conflict

log = structlog.get_logger()

CONFLICT_EVERY: Final = 60.0
MAX_SOURCES: Final = 1000


class ConflictBook:
    """Logs each old service at most once a minute, and counts it in the store."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._runtime = runtime
        # (endpoint, source) → when it was logged last, and how often refused since
        self._told: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()
        self._queue = SaveQueue(
            "conflict", store.note_conflict, runtime.tasks, runtime.writes
        )

    def note(self, command: commands.NoteConflict) -> None:
        """One refused REGISTER for an endpoint's address."""
        key = command.endpoint_key, command.source
        now = self._runtime.loop.time()
        told_at, silent = self._told.get(key, (float("-inf"), 0))
        if now - told_at < CONFLICT_EVERY:
            self._told[key] = told_at, silent + 1
            return
        self._told[key] = now, 0
        self._told.move_to_end(key)
        if len(self._told) > MAX_SOURCES:
            self._told.popitem(last=False)
        log.warning(
            "conflict.detected",
            endpoint=command.endpoint_key,
            source=command.source,
            user_agent=command.user_agent,
            contact=command.contact,
            advice="the old Lookup service still registers for this address: stop it",
        )
        wall = clock.wall()
        conflict = Conflict(
            command.endpoint_key,
            command.source,
            command.user_agent,
            command.contact,
            wall,
            wall,
            silent + 1,
        )
        self._queue.add(conflict)
