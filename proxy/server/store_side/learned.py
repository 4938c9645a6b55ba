"""Keeps the service URIs that pools hand out in the store: saves, touches, forgets."""

import asyncio
from typing import Final

import structlog

from proxy import clock
from proxy.core.commands import LearnUri, RefuseUri
from proxy.core.dialogs.requri import REFUSALS
from proxy.server.runtime import Runtime
from proxy.server.store_side.save_queue import SaveQueue
from proxy.store.errors import StoreError
from proxy.store.interface import Store

log = structlog.get_logger()

SAVE_USES: Final = 60.0
FORGET_LEARNED: Final = 3600.0
MOST_USES: Final = 50_000
"""Used URIs that wait to be saved as such; all they do is to keep a URI from being
forgotten."""


def save_learned(store: Store, runtime: Runtime) -> None:
    """From now on save the URIs that the core learns, and tell the other workers."""

    async def save(command: LearnUri) -> None:
        words = command.uri, command.pool_fqdn, command.endpoint_key
        await store.learn(*words, clock.wall())

    queue = SaveQueue("uri", save, runtime.tasks, runtime.writes)

    def learned(command: LearnUri | RefuseUri) -> None:
        if isinstance(command, RefuseUri):
            log.warning(
                "uri.refused",
                uri=command.uri,
                pool=command.pool_fqdn,
                endpoint=command.endpoint_key,
                reason=REFUSALS[command.reason],
            )
            return
        if runtime.links is not None:
            words = [command.uri, command.pool_fqdn, command.endpoint_key]
            runtime.links.tell(["uri", *words])
        log.info(
            "uri.learned",
            uri=command.uri,
            pool=command.pool_fqdn,
            endpoint=command.endpoint_key,
        )
        queue.add(command)

    runtime.on_learned = learned


async def save_uses(store: Store, runtime: Runtime) -> None:
    """Tell the store which learned URIs were dialled, once a minute."""
    while True:
        await asyncio.sleep(SAVE_USES)
        used, runtime.used_uris = runtime.used_uris, set()
        if used:
            now = clock.wall()
            try:
                await store.touch_learned(dict.fromkeys(used, now))
            except StoreError as error:
                runtime.writes.failed(error)
                log.warning("store.unavailable", reason=str(error))
                keep_uses(runtime, used)


def keep_uses(runtime: Runtime, used: set[str]) -> None:
    """Keep these for the next time, as many as there is room for."""
    room = MOST_USES - len(runtime.used_uris)
    if len(used) > room:
        runtime.writes.dropped["use"] += len(used) - room
        used = set(list(used)[:room])
    runtime.used_uris |= used


async def forget_learned(store: Store, runtime: Runtime) -> None:
    """Once an hour, forget URIs without a call for ``[learned] ttl_days``."""
    while True:
        ttl = runtime.config.learned.ttl
        try:
            forgotten = await store.forget_learned(runtime.wall.patient() - ttl)
            if forgotten:
                log.info("uri.forgotten", count=forgotten)
        except StoreError as error:
            runtime.writes.failed(error)
            log.warning("store.unavailable", reason=str(error))
        await asyncio.sleep(FORGET_LEARNED)
