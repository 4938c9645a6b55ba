"""The way back to a client whose connection has ended (RFC 3261 section 18.2.2).

A response goes over the connection that its request came on.  When that is gone, we
open one to the source of the request, at the port of its top Via (decision 13).  A
server or another proxy listens there; a legacy client does not.  If nobody listens, the
client is gone, and a call that still rings for it is cancelled.  A client that has only
shut its sending side looks the same.  So when nobody listens at its port, the answer
goes over the old connection, as far as that still takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.core import commands
from proxy.core.guard import Guard
from proxy.core.settings import CoreSettings
from proxy.pools.front_end import FrontEnd
from proxy.sip.flow import DEFAULT_PORT, Flow, FlowTable
from proxy.transaction.server import ServerTransaction

_Waiting = list[tuple[ServerTransaction, bytes]]
_TRYING: Final = 100
"""A provisional response that is not worth a new connection."""
_LAST_RESORT: Final = 2


class WayBack:
    """Responses that wait for a connection to their client."""

    __slots__ = (
        "_flows",
        "_guard",
        "_out",
        "_send",
        "_sent_anyway",
        "parked",
        "timeout",
    )

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        send: Callable[[Flow, bytes], None],
        guard: Guard,
        out: list[commands.Command],
    ) -> None:
        self._guard = guard
        self.timeout = settings.attempts.connect
        self._flows = flows
        self._send = send
        self._out = out
        self._sent_anyway: dict[Flow, list[ServerTransaction]] = {}
        self.parked: dict[tuple[str, str, int, str], _Waiting] = {}

    def lost(self, transaction: ServerTransaction, now: float) -> None:
        """The transaction has a response to send, and its connection has ended."""
        front_end = _client_of(transaction)
        if front_end is None or transaction.status == _TRYING:
            return
        if transaction.flow.half_open == _LAST_RESORT:
            self._send_anyway(transaction, transaction.response)
            return
        key = front_end.connection_key
        waiting = self.parked.get(key)
        if waiting is not None:
            waiting.append((transaction, transaction.response))
            return
        open_now = self._flows.stream(*front_end.key)
        if open_now is not None and (
            not open_now.peer_names or front_end.server_name in open_now.peer_names
        ):
            transaction.flow = open_now
            self._send(open_now, transaction.response)
            return
        listener = transaction.flow.listener
        self._out.append(commands.Connect(front_end, listener, self.timeout))
        self.parked[key] = [(transaction, transaction.response)]

    def opened(self, front_end: FrontEnd, flow: Flow) -> None:
        """A connection exists: send the responses that waited for it."""
        if not self.parked:
            return
        waiting = self.parked.get(front_end.connection_key)
        while waiting:
            transaction, response = waiting[0]
            transaction.flow = flow
            self._send(flow, response)
            del waiting[0]  # what was not sent stays
        self.parked.pop(front_end.connection_key, None)

    def failed(self, front_end: FrontEnd, now: float) -> None:
        """A connection could not be opened: no response can reach this client."""
        if self.parked:
            for transaction, data in self.parked.pop(front_end.connection_key, ()):
                if transaction.flow.half_open:
                    # It does not listen, but it may have shut only its sending side.
                    transaction.flow.half_open = _LAST_RESORT
                    self._send_anyway(transaction, data)
                else:
                    self._fail(transaction, now)

    def give_up(self, front_end: FrontEnd, error: Exception, now: float) -> None:
        """A bug of ours ends all that wait for this connection."""
        for transaction, _ in self.parked.pop(front_end.connection_key, ()):
            self._guard.timer(transaction, "way back", error, now)

    def closed(self, flow: Flow, now: float) -> None:
        """A connection has ended; fail those whose answers went over it as a last
        resort."""
        for transaction in self._sent_anyway.pop(flow, ()):
            if transaction.is_waited_for:
                self._fail(transaction, now)

    def _send_anyway(self, transaction: ServerTransaction, data: bytes) -> None:
        sent = self._sent_anyway.setdefault(transaction.flow, [])
        if transaction not in sent:
            sent.append(transaction)
        self._send(transaction.flow, data)

    def _fail(self, transaction: ServerTransaction, now: float) -> None:
        try:
            transaction.handle("transport error", now)
        except Exception as error:
            self._guard.timer(transaction, "way back", error, now)


def _client_of(transaction: ServerTransaction) -> FrontEnd | None:
    """Where the client may listen: at the source of its request, on the port of its Via
    (section 18.2.2)."""
    flow, sent_by = transaction.flow, transaction.sent_by
    if sent_by is None:
        return None
    port = sent_by.port or DEFAULT_PORT[flow.transport]
    return FrontEnd(flow.transport, flow.host, port, sent_by.address)
