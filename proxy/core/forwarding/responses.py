"""Takes the responses that come in (RFC 3261 section 16.7 items 1 and 2).

Each goes to the transaction whose branch is in its top Via, or to the worker that made
this branch.
"""

from __future__ import annotations

from proxy.core.forwarding.asserted import makes_claims
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.late_success import LateSuccess
from proxy.core.forwarding.response_context import ResponseContext
from proxy.core.guard import Guard
from proxy.core.siblings.handover import Handover
from proxy.sip.flow import Flow
from proxy.sip.message import Response
from proxy.sip.plain_response import PlainResponse
from proxy.transaction.client import AnyResponse, ClientTransaction


class Responses:
    """Finds the transaction that a response is for; telemetry reads the counters."""

    __slots__ = (
        "_asserted",
        "_branches",
        "_guard",
        "_handover",
        "_transactions",
        "received",
        "strays",
    )

    def __init__(
        self,
        forwarder: Forwarder,
        guard: Guard,
        handover: Handover | None,
    ) -> None:
        self._asserted = forwarder.asserted
        self._transactions = forwarder.transactions
        self._branches = forwarder.branches
        self._guard = guard
        self._handover = handover
        self.received = 0
        self.strays = 0

    def plain(
        self, response: PlainResponse, flow: Flow, data: bytes, now: float
    ) -> None:
        """Take a response in its plainest form, as nearly all are."""
        self.received += 1
        # Section 18.1.2: discard a response whose top Via is not ours.
        transaction = None
        if self._branches.is_own_via(response.sent_by):
            transaction = self._transactions.client_for(
                response.branch, response.method, flow
            )
        if transaction is not None:
            self._deliver(transaction, response, flow, data, now)
        else:
            self._stray(response.branch, response.method, response, flow, data, now)

    def parsed(self, response: Response, flow: Flow, data: bytes, now: float) -> None:
        """Take any other response; raises MalformedMessage."""
        self.received += 1
        via, method = response.top_via(), response.cseq()[1]
        transaction = None
        if via.branch is not None and self._branches.is_own_via(via.head.sent_by):
            transaction = self._transactions.client_for(via.branch, method, flow)
        if transaction is not None:
            self._judge(transaction, response, flow)
            self._deliver(transaction, response, flow, data, now)
        else:
            self._stray(via.branch, method, response, flow, data, now)

    def _judge(
        self, transaction: ClientTransaction, response: AnyResponse, flow: Flow
    ) -> None:
        """Take out who it is that answers where that must not go on (RFC 3325)."""
        if isinstance(response, Response) and makes_claims(response):
            self._asserted.judge_response(response, flow, _asker_of(transaction))

    def _deliver(
        self,
        transaction: ClientTransaction,
        response: AnyResponse,
        flow: Flow,
        data: bytes,
        now: float,
    ) -> None:
        try:
            transaction.response_received(response, now)
        except Exception as error:
            self._guard.response(transaction, response, data, flow, error, now)

    def _stray(
        self,
        branch: bytes | None,
        method: bytes,
        response: AnyResponse,
        flow: Flow,
        data: bytes,
        now: float,
    ) -> None:
        """Take a response for which no live transaction waits: it may belong to a
        stranded INVITE or to a sibling."""
        late = self._transactions.late(branch, method, flow)
        if late is not None:
            self._judge(late, response, flow)
            self._deliver(late, response, flow, data, now)
        elif self._handover is None or not self._handover.response(branch, flow, data):
            self.strays += 1

    def refused(self, data: bytes, reason: str, now: float) -> bool:
        """ICMP gave a datagram back: fail the transaction that its branch names.

        False when another process sent it.
        """
        start = data.find(b";branch=" + self._branches.prefix)
        if start < 0:
            return False
        branch = data[start + 8 : data.find(b"\r\n", start)]
        if data.startswith(b"CANCEL "):
            branch += b" CANCEL"
        transaction = self._transactions.clients.get(branch)
        if transaction is not None:
            try:
                transaction.transport_failed(reason, now)
            except Exception as error:
                self._guard.timer(transaction, reason, error, now)
        return True


def _asker_of(transaction: ClientTransaction) -> Flow | None:
    """Who gets the responses; None when nobody waits for them."""
    user = transaction.user
    if isinstance(user, ResponseContext):
        return user.candidates.flow
    return user.flow if isinstance(user, LateSuccess) else None
