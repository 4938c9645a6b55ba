"""CANCEL (RFC 3261 sections 9.2 and 16.10): answered here, hop by hop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.core.replies import refuse, reply
from proxy.core.response_context import ResponseContext
from proxy.core.validation import Refusal
from proxy.transaction.keys import server_key

if TYPE_CHECKING:
    from proxy.core.proxy import ProxyCore
    from proxy.sip.flow import Flow
    from proxy.sip.message import Request


class Cancels:
    """Answers every CANCEL, and stops the search for the INVITE that it means."""

    __slots__ = ("_core",)

    def __init__(self, core: ProxyCore) -> None:
        self._core = core

    def take(
        self,
        request: Request,
        flow: Flow,
        reply_flow: Flow,
        refusal: Refusal | None,
        now: float,
    ) -> None:
        """One CANCEL that is no retransmission."""
        core = self._core
        transactions, source = core.transactions, core.settings.source
        invite = transactions.servers.get(server_key(request, b"INVITE"))
        if invite is None and len(transactions) > core.settings.max_transactions:
            core.send(reply_flow, refuse(request, Refusal(481), source))
            return
        server = transactions.open_server(server_key(request), b"CANCEL", reply_flow)
        try:
            if refusal is None and invite is None:
                refusal = Refusal(481)
            if refusal is not None:
                data = refuse(request, refusal, source)
                server.respond(refusal.status, data, now)
                return
            server.respond(200, reply(request, 200), now)
        except Exception as error:
            core.guard.request(request, flow, server, error, now)
        if invite is None:
            return
        if isinstance(invite.user, ResponseContext):
            try:
                invite.user.cancel(now)
            except Exception as error:
                core.guard.search(invite.user, error, now)
        else:
            core.look_ups.cancel(invite)
