"""Writes bindings into the store, by group commit.

A REGISTER is answered when its bindings are in the store.  Each commit costs a disk
flush, so all REGISTERs that come within 10 ms share one.  A REGISTER waits for at most
that time and two commits.  One that comes after 10 ms without any other is saved at
once, for most likely nobody would share with it.  It costs no task and no future of its
own.
"""

import asyncio
from contextlib import suppress
from functools import partial
from inspect import iscoroutine
from itertools import chain
from typing import Final

import structlog

from proxy.core import commands, events
from proxy.location.binding import BindingChange
from proxy.server.runtime import Runtime
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

GROUP: Final = 0.010
"""Seconds that the first REGISTER of a group waits for others."""
MOST_WAITING: Final = 5000
"""REGISTERs that may wait while a group is being saved."""
_BUG: Final = "internal error, see the log"

Group = list[commands.SaveBindings]
Saving = asyncio.Future[None]


class BindingWriter:
    """Takes REGISTERs with ``add``; ``BindingsSaved`` follows when they are durable."""

    def __init__(self, store: Store, runtime: Runtime) -> None:
        self._store = store
        self._runtime = runtime
        self._group: Group = []
        self._timer: asyncio.Handle | None = None
        self._last_at = float("-inf")
        self._is_saving = False
        self._is_due = False

    def add(self, command: commands.SaveBindings) -> None:
        """Put a REGISTER into the open group.

        A store that hangs must not make us hold every REGISTER that comes meanwhile:
        when too many wait, the next one is refused at once, and its client tries again.
        """
        if len(self._group) >= MOST_WAITING:
            self._runtime.writes.dropped["registration"] += 1
            self._runtime.loop.call_soon(self._refuse, command)
            return
        self._group.append(command)
        loop = self._runtime.loop
        now = loop.time()
        is_alone = now - self._last_at > GROUP and not self._is_saving
        self._last_at = now
        if self._timer is not None or self._is_due:
            return
        if is_alone:
            self._timer = loop.call_soon(self._close_group)
        else:
            self._timer = loop.call_later(GROUP, self._close_group)

    def _refuse(self, command: commands.SaveBindings) -> None:
        """Refuse a REGISTER, in a later turn than that of the core in which it came."""
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
        saving: Saving | None = None
        with suppress(Exception):  # the task tries again, and says why it cannot be
            saving = self._at_once(group)
        if saving is not None:
            saving.add_done_callback(partial(self._committed, group))
            return
        self._begin(group, None)

    def _at_once(self, group: Group) -> Saving | None:
        """Begin to save without a task, where the store can."""
        if self._runtime.links is not None:
            return None
        saving = self._store.save_bindings(_changes(group))
        if isinstance(saving, asyncio.Future):
            return saving
        if iscoroutine(saving):
            saving.close()  # it has done nothing yet
        return None

    def _begin(self, group: Group, saving: Saving | None) -> None:
        try:
            self._runtime.tasks.start(self._save(group, saving), "save-bindings")
        except Exception as error:
            self._is_saving = False
            self._runtime.carrier.faults.note("bindings.failed", error)
            tickets = [command.ticket for command in group]
            self._runtime.step(events.BindingsNotSaved(tickets, _BUG))

    def _committed(self, group: Group, saving: Saving) -> None:
        """The store is done.  When all went well, as nearly always, this needs no task:
        a task is two more turns of the loop."""
        if saving.cancelled() or saving.exception() is not None:
            self._begin(group, saving)
            return
        try:
            self._runtime.writes.done()
        except Exception as error:
            self._runtime.carrier.faults.note("bindings.failed", error)
        self._is_saving = False
        if self._is_due:
            self._close_group()
        self._runtime.step(events.BindingsSaved([x.ticket for x in group]))

    async def _save(self, group: Group, saving: Saving | None) -> None:
        """Wait for a group.  Whatever happens, each REGISTER of it is answered, and the
        next group begins."""
        saved: Group = []
        reason = _BUG
        try:
            reason = await self._commit(group, saving)
            if not reason:
                saved = group
            elif reason == _BUG and len(group) > 1:
                # One of them has met a bug of ours: save each alone, so that the others
                # do not suffer.
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
            left = [x.ticket for x in group if x not in saved]
            self._runtime.step(events.BindingsNotSaved(left, reason))
        if saved:
            self._runtime.step(events.BindingsSaved([x.ticket for x in saved]))

    async def _commit(self, group: Group, saving: Saving | None = None) -> str:
        """Save changes; returns why it failed, empty when they are durable."""
        try:
            await (saving or self._store.save_bindings(_changes(group)))
        except StoreError as error:
            return self._not_saved(group, error)
        except Exception as error:
            faults = self._runtime.carrier.faults
            faults.note("bindings.failed", error, repr(group[0].ticket).encode())
            return _BUG
        self._runtime.writes.done()
        return ""

    def _not_saved(self, group: Group, error: StoreError) -> str:
        self._runtime.writes.failed(error)
        log.error("bindings.not_saved", count=len(group), reason=str(error))
        return str(error) or "the store failed"

    async def _tell(self, saved: Group) -> None:
        """Tell the siblings before the 200 leaves: the next request for this address
        may come to any worker (decision 60)."""
        links = self._runtime.links
        if links is None:
            return
        try:
            await links.tell_bindings(_changes(saved))
        except Exception as error:
            # The binding is durable, so the sibling will read it in the store's news.
            self._runtime.carrier.faults.note("sibling.failed", error)


def _changes(group: Group) -> list[BindingChange]:
    return list(chain.from_iterable(command.changes for command in group))
