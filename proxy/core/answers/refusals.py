"""Requests that are refused: answered once, counted, noted in the access log."""

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
from proxy.sip.host import network_of
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
    """Says no, in the three ways there are.

    ``send`` takes a flow and bytes, ``out`` commands; ``count`` is what has been
    refused so far.  ``is_friend`` says whose mistakes are no scan: a server that sends
    us whomever it does not know dials many addresses of nobody.
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
        # INVITEs inside dialogs that were refused without a transaction: their To tag
        # is the dialog's, so only this tells whose their ACK is.
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
        """Refuse through the request's own transaction; ``rule`` is who said so."""
        self.count += refusal.status >= 300
        data = refuse(request, refusal, self._settings.source)
        if refusal.status == _NOBODY and self._is_scan(request, flow, now):
            if request.method == b"INVITE":
                server.respond(100, reply(request, 100), now)
            self.later.respond(server, refusal.status, data, now)
        else:
            server.respond(refusal.status, data, now)
        endpoint = refusal.endpoint
        # Ledgers count without access lines: who dials an endpoint, or what is none.
        if endpoint or rule == NOWHERE or self._settings.log_access:
            self._note(request, flow, refusal.status, endpoint, rule)

    def _is_scan(self, request: Request, flow: Flow, now: float) -> bool:
        """Whether this is one of many addresses of nobody that a stranger dials.

        A legacy client that signs in subscribes to its whole contact list, whoever of
        it is still there; that comes over a connection, as a scan hardly ever does.
        """
        if has_to_tag(request) or self.is_friend(flow):
            return False
        if request.method == b"SUBSCRIBE" and flow.reliable:
            return False
        address = parse_uri(request.uri).key
        if not self.scans.is_scan(flow.host, address, now):
            return False
        self.suspects.note("scanning", network_of(flow.host), address, now)
        return True

    def no_room(
        self, request: Request, flow: Flow, reply_flow: Flow, refusal: Refusal | None
    ) -> None:
        """Answer once and forget: a limit that costs a transaction limits nothing."""
        refusal = refusal or _COME_BACK
        self.count += 1
        self.once(reply_flow, request, refusal)
        if self._settings.log_access:
            self._note(request, flow, refusal.status, "")

    def unreadable(self, error: UnreadableRequest, flow: Flow) -> None:
        """Answer a broken request once; where even its Via is broken, to its source.

        Not when no answer could find its way: without a Via that can be copied.
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
        """Answer once and forget: a limit that costs a transaction limits nothing."""
        self._send(reply_flow, refuse(request, refusal, self._settings.source))
        if request.via is None:
            return  # it could not be read, nor can that of an ACK to this
        if request.method == b"INVITE" and "to" in request.index:
            with suppress(MalformedMessage, KeyError):  # it may lack what a key needs
                if not has_to_tag(request):
                    return
                if len(self._forgotten) >= MOST_FORGOTTEN:
                    del self._forgotten[next(iter(self._forgotten))]
                self._forgotten[hash(server_key(request))] = None

    def is_acknowledged(self, request: Request, key: bytes) -> bool:
        """True for an ACK of a response of our own: it ends here (section 8.2.7).

        We may have answered without keeping a transaction.  Then the To tag is one that
        only we make for this request, or its key is remembered.
        """
        if request.method != b"ACK":
            return False
        tag = request.to_tag()
        if tag is not None and tag.startswith(OUR_TAG) and tag == to_tag_for(request):
            return True
        return bool(self._forgotten) and hash(key) in self._forgotten

    def framing(self, event: events.FramingFailed) -> None:
        """A stream lost its framing: answer what can be read, then close it."""
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
