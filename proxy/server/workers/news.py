"""The news by which the workers of a node agree: bindings, learned URIs, and which
front ends are ejected."""

from collections.abc import Sequence
from typing import Any, Final

from proxy.core import events
from proxy.location.binding import FIELDS, Binding, BindingChange
from proxy.pools.health import Ejection
from proxy.server.runtime import Runtime
from proxy.sip.flow import Flow

PATIENCE: Final = 0.25
"""Seconds that a REGISTER waits for siblings that do not confirm (decision 60)."""
_BYTES: Final = tuple(
    FIELDS.index(name)
    for name in ("key", "uri", "value", "call_id", "instance", "path", "flow")
)


class NewsReader:
    """Gives what comes over the links to the runtime of this worker."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def datagram(self, flow: Flow, data: bytes) -> None:
        """See Receiver."""
        self._runtime.datagram(flow, data)

    def datagram_refused(self, flow: Flow, data: bytes, reason: str) -> None:
        """See Receiver."""
        self._runtime.datagram_refused(flow, data, reason)

    def flow_closed(self, flow: Flow, reason: str) -> None:
        """See Receiver.  The sibling that has the connection has told the others."""
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
                self._runtime.step(events.EjectionTold(_ejection(*words)))


def bindings_news(changes: Sequence[BindingChange]) -> list[Any]:
    """The news of these changes, made of JSON's types."""
    rows = [
        [each.aor, each.key.decode("latin-1"), _row(each.after)] for each in changes
    ]
    return ["bindings", rows]


def ejection_news(news: Ejection) -> list[Any]:
    """The news of a front end that was ejected or is back, made of JSON's types."""
    key = list(news.key)
    return ["health", key, news.at, news.until, news.times, news.reason]


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
    transport, host, port, pool = key
    return Ejection((transport, host, port, pool), at, until, times, reason)
