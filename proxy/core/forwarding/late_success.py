"""A 2xx to INVITE goes back even when the search is over (RFC 3261 section 16.7).

An accepted INVITE stays known for 64*T1 so that repetitions of its 2xx find their way.
All that this needs is the server transaction, so nothing else of a call is kept.
"""

from proxy.core.dialogs.record_route import returned
from proxy.sip.message import Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction


class LateSuccess:
    """ClientUser of an accepted INVITE: forwards each 2xx and ignores the rest."""

    __slots__ = ("server",)

    def __init__(self, server: ServerTransaction) -> None:
        self.server = server

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """ClientUser."""
        if not isinstance(response, Response) or 200 <= response.status < 300:
            forward_success(self.server, transaction, response, now)

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
