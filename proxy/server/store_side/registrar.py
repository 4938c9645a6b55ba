"""Connects the registrar with the store: loads, saves, moves and sweeps bindings."""

import asyncio
from typing import Final

import structlog

from proxy.core import events
from proxy.location.binding import BindingChanges
from proxy.server.runtime import Runtime
from proxy.server.store_side.binding_writer import BindingWriter
from proxy.server.store_side.conflict_book import ConflictBook
from proxy.server.store_side.follow import load_location
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

SWEEP: Final = 300.0
GRACE: Final = 60.0
"""Seconds that an expired binding stays in the store before it is deleted."""
PIECE: Final = 1000
"""Bindings that are saved together after the clock was set."""


async def start_registrar(
    store: Store, runtime: Runtime, *, sweeps_store: bool = True
) -> None:
    """Load the bindings and begin, before the listeners open.  Raises StoreError.

    Of several workers one ``sweeps_store``: it deletes expired bindings there.
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
    """The clock was set: save the new ends of bindings."""
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
        runtime.step(events.SweepDue())
        if not sweeps_store:
            continue
        try:
            await store.forget_bindings(runtime.wall.patient() - GRACE)
        except StoreError as error:
            log.warning("store.unavailable", reason=str(error))
