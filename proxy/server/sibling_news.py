"""What workers tell each other so that the node has one mind: bindings, learned URIs,
and which front ends are ejected."""

from collections.abc import Sequence
from typing import Any, Final

from proxy.core import events
from proxy.location.binding import FIELDS, Binding, BindingChange
from proxy.pools.health import Ejection
from proxy.server.runtime import Runtime
from proxy.server.sibling_links import SiblingLinks
from proxy.server.worker import WorkerPart
from proxy.sip.flow import Flow

PATIENCE: Final = 0.25
"""Seconds that a REGISTER waits for a sibling that does not answer."""
_BYTES: Final = tuple(
    FIELDS.index(name)
    for name in ("key", "uri", "value", "call_id", "instance", "path", "flow")
)


class NewsReader:
    """Takes what comes over the links into this worker's runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def datagram(self, flow: Flow, data: bytes) -> None:
        """See Receiver."""
        self._runtime.datagram(flow, data)

    def datagram_refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """See Receiver."""
        self._runtime.datagram_refused(flow, data, reason)

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """See Receiver; the connection is a sibling's, so nobody else has to know."""
        self._runtime.step(events.FlowClosed(flow, reason))

    def news(self, news: Any) -> None:
        """See Receiver."""
        match news:
            case ["bindings", changes]:
                told = events.BindingsChanged([_change(*each) for each in changes])
                self._runtime.step(told)
            case ["uri", uri, pool, endpoint]:
                self._runtime.step(events.UriTold(uri, pool, endpoint))
            case ["health", *words]:
                self._runtime.core.health.take_over(_ejection(*words))


def start_links(part: WorkerPart, runtime: Runtime) -> None:
    """Open this worker's ears, and tell the siblings what happens from now on."""
    network = runtime.network
    links = SiblingLinks(
        part.siblings,
        part.names,
        part.sockets.link,
        network.flows,
        network.outbox,
        NewsReader(runtime),
    )
    runtime.links = links
    network.flows.elsewhere = links

    def changed(news: Ejection) -> None:
        key = list(news.key)
        links.tell(["health", key, news.at, news.until, news.times, news.reason])

    runtime.core.health.on_change = changed
    links.open()


async def tell_bindings(links: SiblingLinks, changes: Sequence[BindingChange]) -> None:
    """Return when every sibling knows them, or is beyond knowing."""
    rows = [
        [each.aor, each.key.decode("latin-1"), _row(each.after)] for each in changes
    ]
    await links.tell_and_wait(["bindings", rows], PATIENCE)


def _row(binding: Binding | None) -> list[Any] | None:
    if binding is None:
        return None
    values: list[Any] = list(binding.row())
    for at in _BYTES:
        values[at] = values[at].decode("latin-1")
    return values


def _change(aor: str, key: str, row: list[Any] | None) -> BindingChange:
    after = None
    if row is not None:
        for at in _BYTES:
            row[at] = row[at].encode("latin-1")
        after = Binding(*row)
    return BindingChange(aor, key.encode("latin-1"), after)


def _ejection(
    key: list[Any], at: float, until: float, times: int, reason: str
) -> Ejection:
    transport, host, port = key
    return Ejection((transport, host, port), at, until, times, reason)
