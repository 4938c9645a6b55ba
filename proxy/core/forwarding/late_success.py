"""Sends back each 2xx to INVITE after the search is over (RFC 3261 section 16.7).

The client transaction of an accepted INVITE stays for 64*T1 (RFC 6026 section 8.4), so
that repetitions of its 2xx go back too.  Over UDP only the flow to the client is needed
for that.  A stream may end, so there the server transaction is kept, which can find
another way.  Nothing else of the call is kept.
"""

from proxy.core.dialogs.record_route import returned
from proxy.sip.message import Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction


class LateSuccess:
    """The ClientUser of an accepted INVITE: forwards each 2xx, and ignores the rest."""

    __slots__ = ("_layer", "flow", "server")

    def __init__(self, server: ServerTransaction) -> None:
        self.flow, self._layer = server.flow, server.layer
        self.server = server if server.flow.reliable else None

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """ClientUser."""
        status = response.status
        if isinstance(response, Response) and not 200 <= status < 300:
            return
        if self.server is not None:
            forward_success(self.server, transaction, response, now)
        else:
            self._layer.send_late(self.flow, status, returned(transaction, response))

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """ClientUser: the client has its answer, so this changes nothing."""

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """ClientUser: the client has its answer, so this changes nothing."""

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """ClientUser: the peer has answered this INVITE already."""


def forward_success(
    server: ServerTransaction,
    transaction: ClientTransaction,
    response: AnyResponse,
    now: float,
) -> None:
    """Send a 2xx to INVITE back, through the server transaction or around it.

    After a final response of another class the transaction sends nothing more, but a
    2xx must go back all the same (section 16.7 item 5).
    """
    data = returned(transaction, response)
    if server.state in ("proceeding", "accepted"):
        server.respond(response.status, data, now)
    else:
        server.layer.send(server.flow, data)
