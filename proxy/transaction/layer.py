"""The transaction layer: all live transactions, found by key.

It matches messages to transactions and knows nothing of routing.
"""

from collections.abc import Callable, Sequence

from proxy.sip.fields import ViaHead
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.transaction.budget import Budget
from proxy.transaction.client import Clients, ClientTransaction, ClientUser
from proxy.transaction.server import Servers, ServerTransaction
from proxy.transaction.timers import Timers


class TransactionLayer:
    """Client and server transactions of one process.

    ``send`` puts bytes on a flow.  ``clients``, ``servers``, ``on_stream`` and
    ``stranded`` are the dictionaries of the two sides.  ``answers`` has, by key, the
    responses of server transactions that only repeat them.  Telemetry reads the
    counters, which are plain integers.
    """

    __slots__ = (
        "answers",
        "budget",
        "client_side",
        "clients",
        "crowded_out",
        "on_stream",
        "retransmissions_received",
        "server_side",
        "servers",
        "stranded",
        "timers",
    )

    def __init__(
        self,
        send: Callable[[Flow, bytes], None],
        timers: Timers,
        budget: Budget | None = None,
    ) -> None:
        self.timers = timers
        self.budget = budget or Budget()
        self.client_side = Clients(send, timers)
        self.server_side = Servers(send, timers, self.budget)
        self.clients = self.client_side.live
        self.servers = self.server_side.live
        self.answers = self.server_side.answered.answers
        self.on_stream = self.client_side.on_stream
        self.stranded = self.client_side.stranded
        self.retransmissions_received = 0
        self.crowded_out = 0

    def __len__(self) -> int:
        return len(self.clients) + len(self.servers) + len(self.answers)

    # -- requests from clients ---------------------------------------------------

    def has_room(self, flow: Flow, size: int, most: int) -> bool:
        """Whether a new request of ``size`` bytes may begin: at most ``most``
        transactions are live, and the budget has room.

        What the first rule keeps out is counted in ``crowded_out``, what the second
        does in the budget's ``shed``.
        """
        if len(self) > most:
            self.crowded_out += 1
            return False
        return self.budget.has_room(flow, size)

    def open_server(
        self,
        key: bytes,
        method: bytes,
        flow: Flow,
        size: int = 0,
        sent_by: ViaHead | None = None,
    ) -> ServerTransaction:
        """Start the server transaction of a new request of ``size`` bytes."""
        return self.server_side.open(key, method, flow, size, sent_by)

    def absorb(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> bool:
        """Give a request to the transaction that has its key.

        True when that was all there was to do; False when the request is new after
        all, or an ACK that the core must forward.
        """
        if request.method == b"ACK":
            # The ACK of a 2xx is a request of its own, which the core routes (section
            # 13.2.2.4).  Some clients give it the branch of its INVITE all the same.
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
            transaction.handle("credentials", now)
            return False
        self.retransmissions_received += 1
        transaction.handle("request", now)
        return True

    def repeat(self, answer: bytes, flow: Flow) -> None:
        """A request has come again whose transaction is only this answer by now."""
        self.retransmissions_received += 1
        self.server_side.repeat(answer, flow)

    def forget_server(self, transaction: ServerTransaction) -> None:
        """Drop a transaction that was opened too early: its request waits for news of a
        sibling and will open it again (decision 61)."""
        self.server_side.forget(transaction)

    # -- requests of ours --------------------------------------------------------

    def open_client(
        self,
        key: bytes,
        method: bytes,
        lines: Sequence[bytes],
        flow: Flow,
        user: ClientUser | None,
        now: float,
    ) -> ClientTransaction:
        """Send a request and watch over it; ``key`` is its branch."""
        return self.client_side.open(key, method, lines, flow, user, now)

    def client_for(
        self, branch: bytes, method: bytes, flow: Flow | None = None
    ) -> ClientTransaction | None:
        """The transaction that a response with this top branch and CSeq method
        answers (section 17.1.3)."""
        if method == b"CANCEL":
            branch += b" CANCEL"
        transaction = self.clients.get(branch)
        if transaction is None:
            # A branch is a token, so a peer may change its case (section 7.3.1).  Ours
            # are in lower case but for the cookie and the method of a CANCEL.
            rest = branch[7:].lower()
            if method == b"CANCEL":
                rest = rest[:-7] + b" CANCEL"
            transaction = self.clients.get(b"z9hG4bK" + rest)
        if transaction is None or transaction.method != method:
            return None
        if transaction.flow is flow:
            # Only the peer that got our request has seen this branch.
            transaction.flow.is_proven = True
        return transaction

    # -- flows -------------------------------------------------------------------

    def flow_closed(self, flow: Flow, reason: str, now: float) -> None:
        """Tell every request that still waits for an answer on ``flow`` of its end."""
        for transaction in list(self.on_stream.pop(flow, ())):
            try:
                transaction.connection_lost(reason, now)
            except Exception as error:
                if self.timers.failed is None:
                    raise
                self.timers.failed(transaction, reason, error, now)

    def late(
        self, branch: bytes | None, method: bytes, flow: Flow
    ) -> ClientTransaction | None:
        """The stranded INVITE that a response over a new connection answers, or None.

        Its ACK and its CANCEL use this connection from now on (sections 18.1.1 and
        18.2.2).
        """
        if branch is None or method != b"INVITE" or not self.stranded:
            return None
        transaction = self.stranded.get(branch)
        if transaction is not None:
            transaction.flow = flow
        return transaction
