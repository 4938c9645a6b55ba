"""CANCEL (RFC 3261 sections 9.2 and 16.10): it is hop by hop, so we answer each one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from proxy.core.answers.replies import refuse, reply
from proxy.core.forwarding.response_context import ResponseContext
from proxy.core.guard import Guard
from proxy.core.validation import Refusal
from proxy.sip.fields import ViaHead
from proxy.sip.flow import Flow
from proxy.sip.message import Request
from proxy.transaction.budget import bytes_of
from proxy.transaction.keys import cancelled_keys, server_key
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.server import ServerTransaction

MOST_METHODS: Final = 32
"""Methods beyond those of the RFCs that are remembered because a CANCEL may stop such a
request; strangers could make up any number of them."""


class Cancels:
    """Answers every CANCEL, and stops the search of the INVITE that it is for.

    A CANCEL is for the request with its branch, of any method (section 9.2).  When that
    is not an INVITE, the CANCEL has no effect.  ``has_room`` says whether one more
    request of this size may be held.  ``parked`` is called for an INVITE that has no
    search yet.
    """

    __slots__ = (
        "_guard",
        "_has_room",
        "_other_methods",
        "_parked",
        "_send",
        "_source",
        "_transactions",
    )

    def __init__(
        self,
        transactions: TransactionLayer,
        send: Callable[[Flow, bytes], None],
        has_room: Callable[[Flow, int], bool],
        parked: Callable[[ServerTransaction], None],
        guard: Guard,
        source: str,
    ) -> None:
        self._transactions = transactions
        self._send = send
        self._has_room = has_room
        self._parked = parked
        self._guard = guard
        self._source = source
        self._other_methods: list[bytes] = []

    def note(self, method: bytes) -> None:
        """A request has come whose method we do not know."""
        others = self._other_methods
        if len(others) < MOST_METHODS and len(method) <= 32 and method not in others:
            others.append(method)

    def _meant(self, request: Request) -> ServerTransaction | bytes | None:
        """The transaction that a CANCEL is for, or its answer if only that is left."""
        servers, answers = self._transactions.servers, self._transactions.answers
        for key in cancelled_keys(request, self._other_methods):
            found = servers.get(key)
            if found is not None:
                return found
            answer = answers.get(key)
            if answer is not None:
                return answer
        return None

    def take(
        self,
        request: Request,
        flow: Flow,
        reply_flow: Flow,
        refusal: Refusal | None,
        now: float,
    ) -> None:
        """Take a CANCEL that is no retransmission."""
        source, meant = self._source, self._meant(request)
        size = bytes_of(request.size, len(request.lines))
        if meant is None and not self._has_room(flow, size):
            self._send(reply_flow, refuse(request, Refusal(481), source))
            return
        key = server_key(request)
        server = self._transactions.open_server(
            key, b"CANCEL", reply_flow, size, _sent_by(request)
        )
        try:
            if refusal is None and meant is None:
                refusal = Refusal(481)
            if refusal is not None:
                data = refuse(request, refusal, source)
                server.respond(refusal.status, data, now)
                return
            # Section 16.10: 200 at once.  The answer to the INVITE tells whether the
            # CANCEL came in time.
            server.respond(200, reply(request, 200), now)
        except Exception as error:
            self._guard.request(request, flow, server, error, now)
        if not isinstance(meant, ServerTransaction) or meant.method != b"INVITE":
            return
        if isinstance(meant.user, ResponseContext):
            try:
                meant.user.cancel(now, _reasons(request))
            except Exception as error:
                self._guard.search(meant.user, error, now)
        else:
            self._parked(meant)


def _sent_by(request: Request) -> ViaHead | None:
    return request.via.head if request.via is not None else None


def _reasons(request: Request) -> list[bytes]:
    """The Reason lines as they came, byte for byte (RFC 3326 section 2)."""
    if "reason" not in request.index:
        return []
    lines = zip(request.lines, request.names, strict=True)
    return [line for line, name in lines if name == "reason"]
