"""A 2xx to INVITE goes back even when the search is over (RFC 3261 section 16.7).

An accepted INVITE stays known for 64*T1 so that repetitions of its 2xx find their way.
All that this needs over UDP is the way back, and on a stream, which may end, the server
transaction: nothing else of a call is kept.
"""

from proxy.core.dialogs.record_route import returned
from proxy.sip.message import Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction


class LateSuccess:
    """ClientUser of an accepted INVITE: forwards each 2xx and ignores the rest."""

    __slots__ = ("_flow", "_layer", "server")

    def __init__(self, server: ServerTransaction) -> None:
        self._flow, self._layer = server.flow, server.layer
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
            self._layer.send_late(self._flow, status, returned(transaction, response))

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """ClientUser: there has been an answer, nobody waits for another."""

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """ClientUser: nobody waits."""

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """ClientUser: it has said what matters."""


def forward_success(
    server: ServerTransaction,
    transaction: ClientTransaction,
    response: AnyResponse,
    now: float,
) -> None:
    """Hand a 2xx to INVITE back, through the transaction or around it.

    After a final response of another class the transaction lets nothing out, and the
    2xx must go all the same.
    """
    data = returned(transaction, response)
    if server.state in ("proceeding", "accepted"):
        server.respond(response.status, data, now)
    else:
        server.layer.send(server.flow, data)
