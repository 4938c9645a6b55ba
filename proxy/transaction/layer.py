"""The transaction layer: all live transactions, found by key.

It matches messages to transactions and knows nothing of routing.
"""

from collections.abc import Callable
from typing import Final

from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.transaction.budget import COPIES, OVERHEAD, Budget
from proxy.transaction.client import ClientTransaction, ClientUser
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import T1, TIMER_C, Timers

MOST_STRANDED: Final = 10_000
"""INVITEs that are remembered after the end of their connection."""


class TransactionLayer:
    """Client and server transactions of one process.

    ``send`` puts bytes on a flow; ``way_lost`` hears of a response whose connection
    has ended (RFC 3261 section 18.2.2).  Counters are plain integers that telemetry
    reads.
    """

    __slots__ = (
        "budget",
        "clients",
        "clients_started",
        "on_stream",
        "responses_sent",
        "retransmissions_received",
        "retransmissions_sent",
        "send",
        "servers",
        "servers_started",
        "stranded",
        "timers",
        "way_lost",
    )

    def __init__(
        self,
        send: Callable[[Flow, bytes], None],
        timers: Timers,
        budget: Budget | None = None,
    ) -> None:
        self.send = send
        self.way_lost: Callable[[ServerTransaction, float], None] | None = None
        self.timers = timers
        self.budget = budget or Budget()
        self.clients: dict[bytes, ClientTransaction] = {}
        self.servers: dict[bytes, ServerTransaction] = {}
        # INVITEs whose connection has ended, by branch; see ``late``.
        self.stranded: dict[bytes, ClientTransaction] = {}
        # A dictionary for its order: what a lost connection takes along is tried
        # again in the order in which it was sent.
        self.on_stream: dict[Flow, dict[ClientTransaction, None]] = {}
        self.clients_started = 0
        self.servers_started = 0
        self.responses_sent = [0] * 7  # by class of status
        self.retransmissions_received = 0
        self.retransmissions_sent = 0

    def __len__(self) -> int:
        return len(self.clients) + len(self.servers)

    # -- requests from clients ---------------------------------------------------

    def has_room(self, flow: Flow, size: int, most: int) -> bool:
        """Whether a new request may begin: ``most`` transactions, and the budget."""
        return len(self) <= most and self.budget.has_room(flow, size)

    def open_server(
        self, key: bytes, method: bytes, flow: Flow, size: int = 0
    ) -> ServerTransaction:
        """Start the server transaction of a new request of ``size`` bytes."""
        transaction = ServerTransaction(self, key, method, flow)
        transaction.charge = COPIES * size + OVERHEAD
        self.budget.charge(flow, transaction.charge)
        flow.waiting += 1
        self.servers[key] = transaction
        self.servers_started += 1
        return transaction

    def absorb(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> bool:
        """Give a request to the transaction that has its key.

        True when that was all there was to do; False when the request is new after
        all, or an ACK that the core must forward.
        """
        if request.method == b"ACK":
            if transaction.state == "accepted" or not transaction.accepts_ack(request):
                return False
            flow = transaction.flow
            if not (flow.reliable or flow.is_proven or flow.hears_us):
                transaction.prove(request)
            transaction.handle("ack", now)
            return True
        if transaction.is_challenged and transaction.flow.reliable:
            # A legacy client repeats an INVITE with credentials under the same Via
            # and CSeq and never ACKs the challenge; a stream repeats nothing by
            # itself, so this is a new request.
            transaction.state = "terminated"
            self.forget_server(transaction)
            return False
        self.retransmissions_received += 1
        transaction.handle("request", now)
        return True

    def forget_server(self, transaction: ServerTransaction) -> None:
        """Drop a terminated transaction."""
        if self.servers.get(transaction.key) is transaction:
            del self.servers[transaction.key]
        transaction.user = None
        transaction.settle()
        transaction.hold(0)

    # -- requests of ours --------------------------------------------------------

    def open_client(
        self,
        key: bytes,
        method: bytes,
        data: bytes,
        flow: Flow,
        user: ClientUser | None,
        now: float,
    ) -> ClientTransaction:
        """Send a request and watch over it; ``key`` is its branch."""
        transaction = ClientTransaction(self, key, method, data, flow, user)
        # The timer first: what has one ends, whatever fails from here on.
        self.timers.start("check", T1, transaction, now)
        self.clients[key] = transaction
        self.clients_started += 1
        if flow.reliable:
            self.on_stream.setdefault(flow, {})[transaction] = None
        self.send(flow, data)
        return transaction

    def client_for(
        self, branch: bytes, method: bytes, flow: Flow | None = None
    ) -> ClientTransaction | None:
        """The transaction that a response with this top branch and CSeq method
        answers (section 17.1.3)."""
        if method == b"CANCEL":
            branch += b" CANCEL"
        transaction = self.clients.get(branch)
        if transaction is None:
            # A branch is a token, so its case is not a peer's to keep (section 7.3.1);
            # we make no capitals but those of the cookie and of a method.
            rest = branch[7:].lower()
            if method == b"CANCEL":
                rest = rest[:-7] + b" CANCEL"
            transaction = self.clients.get(b"z9hG4bK" + rest)
        if transaction is None or transaction.method != method:
            return None
        if transaction.flow is flow:
            transaction.flow.is_proven = True  # nobody else has seen this branch
        return transaction

    def forget_client(self, transaction: ClientTransaction) -> None:
        """Drop a terminated transaction."""
        if self.clients.get(transaction.key) is transaction:
            del self.clients[transaction.key]
        transaction.user = None
        if self.stranded and self.stranded.get(transaction.key) is transaction:
            del self.stranded[transaction.key]
        if transaction.flow.reliable:
            self.settle(transaction)

    # -- flows -------------------------------------------------------------------

    def settle(self, transaction: ClientTransaction) -> None:
        """A final response is there: the end of its stream means nothing any more."""
        waiting = self.on_stream.get(transaction.flow)
        if waiting is not None:
            waiting.pop(transaction, None)

    def flow_closed(self, flow: Flow, reason: str, now: float) -> None:
        """Requests that still wait for an answer on ``flow`` hear of its end."""
        for transaction in list(self.on_stream.pop(flow, ())):
            try:
                transaction.connection_lost(reason, now)
            except Exception as error:
                if self.timers.failed is None:
                    raise
                self.timers.failed(transaction, reason, error, now)

    def strand(self, transaction: ClientTransaction, now: float) -> None:
        """The connection of an INVITE has ended: remember it as long as it may ring."""
        if len(self.stranded) >= MOST_STRANDED:
            self.stranded.pop(next(iter(self.stranded)))
        self.clients.pop(transaction.key, None)
        self.timers.start("timer C", TIMER_C, transaction, now)
        self.stranded[transaction.key] = transaction

    def late(
        self, branch: bytes | None, method: bytes, flow: Flow
    ) -> ClientTransaction | None:
        """The INVITE that a response over another connection answers; what belongs to
        it goes that way from now on (sections 18.1.1 and 18.2.2)."""
        if branch is None or method != b"INVITE" or not self.stranded:
            return None
        transaction = self.stranded.get(branch)
        if transaction is not None:
            transaction.flow = flow
        return transaction
