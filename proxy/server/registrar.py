"""What the registrar needs of the shell: durable bindings.

A REGISTER is answered when its bindings are in the store.  Each commit costs a disk
flush, so REGISTERs are saved in groups: whatever comes within 10 ms shares one, and
nobody waits for more than that and two commits.  No task or future per REGISTER.
"""

import asyncio
from collections import OrderedDict
from itertools import chain
from typing import Final

import structlog

from proxy import clock
from proxy.core import commands, events
from proxy.location.binding import BindingChange, BindingChanges
from proxy.server.follow import load_location
from proxy.server.runtime import Runtime
from proxy.server.save_queue import SaveQueue
from proxy.server.sibling_news import tell_bindings
from proxy.store.errors import StoreError
from proxy.store.interface import Store
from proxy.store.registrar import Conflict

log = structlog.get_logger()

GROUP: Final = 0.010
"""Seconds that the first REGISTER of a group waits for company."""
MOST_WAITING: Final = 5000
"""REGISTERs that wait while a group is being saved."""
_BUG: Final = "internal error, see the log"
SWEEP: Final = 300.0
GRACE: Final = 60.0
"""Seconds that an expired binding stays in the store before it is deleted."""
PIECE: Final = 1000
"""Contacts that are saved at once when the clock was set."""
CONFLICT_EVERY: Final = 60.0
MAX_SOURCES: Final = 1000


class BindingWriter:
    """Group commit: ``add`` now, ``BindingsSaved`` when it is durable."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._group: list[commands.SaveBindings] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_saving = False
        self._is_due = False
        self.groups_saved = 0
        self.groups_failed = 0

    def add(self, command: commands.SaveBindings) -> None:
        """Put a REGISTER into the open group.

        A store that hangs must not make us hold all that come meanwhile: who comes
        when too many wait is refused at once, and tries again.
        """
        if len(self._group) >= MOST_WAITING:
            self._runtime.writes.dropped["registration"] += 1
            self._runtime.loop.call_soon(self._refuse, command)
            return
        self._group.append(command)
        if self._timer is None and not self._is_due:
            self._timer = self._runtime.loop.call_later(GROUP, self._close_group)

    def _refuse(self, command: commands.SaveBindings) -> None:
        """Not in the core's own turn, in which it came."""
        reason = "too many wait for the store"
        self._runtime.step(events.BindingsNotSaved([command.ticket], reason))

    def _close_group(self) -> None:
        self._timer = None
        if self._is_saving:
            self._is_due = True
            return
        group, self._group = self._group, []
        self._is_due = False
        self._is_saving = True
        try:
            self._runtime.tasks.start(self._save(group), "save-bindings")
        except Exception as error:
            self._is_saving = False
            self._runtime.carrier.faults.note("bindings.failed", error)
            tickets = [command.ticket for command in group]
            self._runtime.step(events.BindingsNotSaved(tickets, _BUG))

    async def _save(self, group: list[commands.SaveBindings]) -> None:
        """Save a group; whatever happens, each is answered and the next one begins."""
        saved: list[commands.SaveBindings] = []
        reason = _BUG
        try:
            reason = await self._commit(group)
            if not reason:
                saved = group
            elif reason == _BUG and len(group) > 1:
                # One of them meets a bug of ours: the others are none the worse.
                saved = [x for x in group if not await self._commit([x])]
            if saved:
                await self._tell(saved)
        except Exception as error:
            self._runtime.carrier.faults.note("bindings.failed", error)
        finally:
            self._is_saving = False
            if self._is_due:
                self._close_group()
        if len(saved) < len(group):
            self.groups_failed += 1
            left = [x.ticket for x in group if x not in saved]
            self._runtime.step(events.BindingsNotSaved(left, reason))
        if saved:
            self.groups_saved += 1
            self._runtime.step(events.BindingsSaved([x.ticket for x in saved]))

    async def _commit(self, group: list[commands.SaveBindings]) -> str:
        """Why it could not be done; empty when it is durable."""
        try:
            await self._store.save_bindings(_changes(group))
        except StoreError as error:
            self._runtime.writes.failed(error)
            log.error("bindings.not_saved", count=len(group), reason=str(error))
            return str(error) or "the store failed"
        except Exception as error:
            faults = self._runtime.carrier.faults
            faults.note("bindings.failed", error, repr(group[0].ticket).encode())
            return _BUG
        self._runtime.writes.done()
        return ""

    async def _tell(self, saved: list[commands.SaveBindings]) -> None:
        """A 200 is a promise of the node: every worker must know first."""
        links = self._runtime.links
        if links is None:
            return
        try:
            await tell_bindings(links, _changes(saved))
        except Exception as error:
            # It is durable: a sibling that was not told reads it in the store's news.
            self._runtime.carrier.faults.note("sibling.failed", error)


def _changes(group: list[commands.SaveBindings]) -> list[BindingChange]:
    return list(chain.from_iterable(command.changes for command in group))


class ConflictBook:
    """Tells of each old service once a minute, and has it counted in the store."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._runtime = runtime
        # (endpoint, source) → when told last, and how often refused since
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


async def start_registrar(
    store: Store, runtime: Runtime, *, sweeps_store: bool = True
) -> None:
    """Load what is bound and begin; before the listeners open.  Raises StoreError.

    Of several workers one ``sweeps_store``: what has expired is deleted there once.
    """
    if runtime.core.registrar is None:
        return
    await load_location(store, runtime)
    runtime.carrier.on_save = BindingWriter(store, runtime).add
    runtime.on_conflict = ConflictBook(store, runtime).note
    if sweeps_store:

        def save_moved(moved: BindingChanges) -> None:
            runtime.tasks.start(_save_moved(store, runtime, moved), "save-moved")

        runtime.on_clock_set = save_moved
    runtime.tasks.keep(lambda: _sweep(store, runtime, sweeps_store), "sweep-bindings")


async def _save_moved(store: Store, runtime: Runtime, moved: BindingChanges) -> None:
    """The clock was set: have the store end contacts when memory does."""
    registrar = runtime.core.registrar
    assert registrar is not None
    for first in range(0, len(moved), PIECE):
        piece = [
            change
            for change in moved[first : first + PIECE]
            if change.after is not None and registrar.is_settled(change.after)
        ]
        try:
            if piece:
                await store.save_bindings(piece)
        except StoreError as error:
            log.error("bindings.not_saved", count=len(piece), reason=str(error))
            return


async def _sweep(store: Store, runtime: Runtime, sweeps_store: bool) -> None:
    """Free expired bindings here and in the store."""
    while True:
        await asyncio.sleep(SWEEP)
        runtime.core.location.sweep(runtime.loop.time())
        if not sweeps_store:
            continue
        try:
            await store.forget_bindings(runtime.wall.patient() - GRACE)
        except StoreError as error:
            log.warning("store.unavailable", reason=str(error))
