"""Refuses requests: answers them, counts them, and notes them for the access log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.core import commands, events
from proxy.core.answers.later import Later
from proxy.core.answers.replies import (
    OUR_TAG,
    fit_to_copy,
    has_to_tag,
    refuse,
    reply,
    to_tag_for,
)
from proxy.core.forwarding.line_edits import stamp_via
from proxy.core.routing.rule_order import NOWHERE
from proxy.core.settings import CoreSettings
from proxy.core.strangers.scans import Scans
from proxy.core.strangers.suspects import Suspects
from proxy.core.validation import Refusal
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow, FlowTable
from proxy.sip.message import Request, UnreadableRequest, parse_message
from proxy.sip.uri import parse_uri
from proxy.transaction.keys import server_key
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import Timers

UNANSWERED: Final = frozenset({b"ACK", b"BENOTIFY"})
_NOBODY: Final = 404
MOST_FORGOTTEN: Final = 4096
# Section 21.5.4: without Retry-After a client takes a 503 for a 500.
_COME_BACK: Final = Refusal(503, "", (b"Retry-After: 10",))


class Refusals:
    """Refuses a request through its transaction, without one, or as unreadable.

    ``send`` takes a flow and bytes, ``out`` commands.  ``count`` is how many have been
    refused.  ``is_friend`` says whose wrong addresses are no scan: a server may send us
    every address that it does not know.
    """

    __slots__ = (
        "_flows",
        "_forgotten",
        "_out",
        "_send",
        "_settings",
        "count",
        "is_friend",
        "later",
        "scans",
        "suspects",
    )

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        send: Callable[[Flow, bytes], None],
        out: list[commands.Command],
        timers: Timers,
    ) -> None:
        self._settings = settings
        self.is_friend: Callable[[Flow], bool] = lambda flow: False
        self.later = Later(timers)
        self.scans = Scans()
        self.suspects = Suspects(out)
        self._flows = flows
        self._send = send
        self._out = out
        # Keys of INVITEs inside dialogs that were refused without a transaction.  Their
        # To tag is the other end's, so only the key tells that an ACK is for us
        # (decision 26).
        self._forgotten: dict[int, None] = {}
        self.count = 0

    def answer(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        refusal: Refusal,
        now: float,
        rule: str = "",
    ) -> None:
        """Refuse through the transaction of the request; ``rule`` is the routing rule
        that refused it, if one did."""
        self.count += refusal.status >= 300
        data = refuse(request, refusal, self._settings.source)
        if refusal.status == _NOBODY and self._is_scan(request, flow, now):
            if request.method == b"INVITE":
                server.respond(100, reply(request, 100), now)
            self.later.respond(server, refusal.status, data, now)
        else:
            server.respond(refusal.status, data, now)
        endpoint = refusal.endpoint
        # Even without an access log the ledgers count calls to endpoints and to
        # addresses that nobody serves.
        if endpoint or rule == NOWHERE or self._settings.log_access:
            self._note(request, flow, refusal.status, endpoint, rule)

    def _is_scan(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether this is one of many unserved addresses that a stranger dials.

        A legacy client that signs in subscribes to its whole contact list, and some of
        these people may be gone.  So a SUBSCRIBE over a connection does not count.
        """
        if has_to_tag(request) or self.is_friend(flow):
            return False
        if request.method == b"SUBSCRIBE" and flow.reliable:
            return False
        address = parse_uri(request.uri).key
        source = self.scans.source(flow.host, address, now)
        if source:
            self.suspects.note("scanning", source, address, now)
        return bool(source)

    def no_room(
        self, request: Request, flow: Flow, reply_flow: Flow, refusal: Refusal | None
    ) -> None:
        """There is no room for a transaction, so refuse without one."""
        refusal = refusal or _COME_BACK
        self.count += 1
        self.once(reply_flow, request, refusal)
        if self._settings.log_access:
            self._note(request, flow, refusal.status, "")

    def unreadable(self, error: UnreadableRequest, flow: Flow) -> None:
        """Answer a broken request once; if its Via cannot be read, to its source.

        Without Via lines that can be copied no answer would find its way, so there is
        none.
        """
        vias = error.request.count("via")
        request = fit_to_copy(error.request)
        if request.method in UNANSWERED or not vias or request.count("via") < vias:
            return
        reply_flow = flow
        with suppress(MalformedMessage):
            via = request.via = request.top_via()
            reply_flow = stamp_via(request, via, flow, self._flows)
        self.once(reply_flow, request, Refusal(error.status, error.reason))

    def once(self, reply_flow: Flow, request: Request, refusal: Refusal) -> None:
        """Answer without a transaction: a limit would not limit anything if each
        refusal cost one."""
        self._send(reply_flow, refuse(request, refusal, self._settings.source))
        if request.via is None:
            return  # the Via cannot be read, so that of the ACK could not be either
        if request.method == b"INVITE" and "to" in request.index:
            with suppress(MalformedMessage, KeyError):  # it may lack what a key needs
                if not has_to_tag(request):
                    return
                if len(self._forgotten) >= MOST_FORGOTTEN:
                    del self._forgotten[next(iter(self._forgotten))]
                self._forgotten[hash(server_key(request))] = None

    def is_acknowledged(self, request: Request, key: bytes) -> bool:
        """True for the ACK of a response of our own, which ends here (section 8.2.7).

        We may have answered without a transaction.  Then the To tag is one that only we
        can make for this request, or the key is remembered (decision 26).
        """
        if request.method != b"ACK":
            return False
        tag = request.to_tag()
        if tag is not None and tag.startswith(OUR_TAG) and tag == to_tag_for(request):
            return True
        return bool(self._forgotten) and hash(key) in self._forgotten

    def framing(self, event: events.FramingFailed) -> None:
        """A stream cannot be framed: answer what can be read of it, then close it."""
        try:
            parse_message(event.data, self._settings.limits, stream=True)
        except UnreadableRequest as error:
            error.status, error.reason = event.status, event.reason
            self.unreadable(error, event.flow)
        except MalformedMessage:
            pass
        self._out.append(commands.Close(event.flow, "framing"))

    def _note(
        self,
        request: Request,
        flow: Flow,
        status: int,
        endpoint: str,
        rule: str = "",
    ) -> None:
        if not has_to_tag(request):
            rule = rule or ("endpoint" if endpoint else "")
            self._out.append(
                commands.LogAccess(
                    request, flow, status, 0.0, rule, endpoint, "", (), 0.0
                )
            )
