"""This node among the others: its signs of life in the store, and theirs.

The clocks of machines differ.  So a node is alive when its sign has changed while we
watched, and not when its last sign looks recent.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from proxy import clock
from proxy.config.model import Config
from proxy.core import events
from proxy.server.runtime import Runtime
from proxy.store.errors import StoreError
from proxy.store.interface import Store
from proxy.store.nodes import NodeRecord

log = structlog.get_logger()

BEAT: Final = 1.0
"""Seconds between two signs of life, and between two looks at those of others."""
GONE_AFTER: Final = 4.0


@dataclass(frozen=True, slots=True)
class Node:
    """This node; without other nodes it has the number 0 and no URI."""

    number: int = 0
    uri: str = ""


class Watch:
    """Tells which nodes are alive by the changes of their signs; pure."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, float]] = {}  # sign, when we first saw it

    def alive(self, rows: list[NodeRecord], wall: float, now: float) -> dict[int, str]:
        """Number → URI of the nodes alive at ``now`` (seconds of any steady clock).

        At first sight the age of the sign counts, as far as the clocks agree.
        """
        found: dict[int, str] = {}
        for row in rows:
            sign, at = self._seen.get(row.number, (None, 0.0))
            if sign != row.seen_at:
                age = wall - row.seen_at if sign is None else 0.0
                at = now - max(0.0, age)
                self._seen[row.number] = row.seen_at, at
            if row.seen_at and now - at < GONE_AFTER:
                found[row.number] = row.uri
        return found


async def join(store: Store, config: Config) -> Node:
    """Announce this node, and get its number; raises StoreError."""
    if not config.node_uri:
        return Node()
    uri = config.node_uri
    try:
        return Node(await store.announce_node(uri, clock.wall()), uri)
    except StoreError as error:
        if error.is_away or not error.is_passing:
            raise
        # The store takes no changes now.  A node that was here before has its number,
        # and can serve.
        known = [row.number for row in await store.nodes() if row.uri == uri]
        if not known:
            raise
        return Node(known[0], uri)


async def follow_nodes(
    store: Store, runtime: Runtime, node: Node, announces: bool
) -> None:
    """Keep the core's list of nodes, for ever; of several workers one ``announces``."""
    if not node.number:
        return
    watch = Watch()
    known: dict[int, str] = {}
    while True:
        try:
            if announces:
                await store.announce_node(node.uri, clock.wall())
            rows = await store.nodes()
        except StoreError as error:
            # Without the store we cannot tell that a node is gone, so keep all.
            log.debug("store.unavailable", reason=str(error))
        else:
            alive = watch.alive(rows, clock.wall(), runtime.loop.time())
            alive.pop(node.number, None)
            if alive != known:
                known = alive
                runtime.step(events.NodesChanged(alive))
                runtime.note_friends()
                if announces:
                    log.info("nodes.changed", others=sorted(alive.values()))
        await asyncio.sleep(BEAT)


async def leave(store: Store, config: Config) -> None:
    """Take this node out, so that the others stop sending to it."""
    if not config.node_uri:
        return
    try:
        await store.announce_node(config.node_uri, 0.0)
    except StoreError as error:
        log.debug("store.unavailable", reason=str(error))
