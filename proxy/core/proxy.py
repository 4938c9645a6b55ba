"""The proxy core: dispatch only.

``handle(event, now)`` takes what happened and returns what shall be done.  The rules
live next door: validation, routes, targets, next_hops, forwarder, response_context.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Final

from proxy.core import commands, events
from proxy.core.branches import Branches
from proxy.core.dialogs import learned_uri
from proxy.core.forwarder import Forwarder
from proxy.core.forwarding import stamp_via
from proxy.core.next_hops import Cached, NextHops
from proxy.core.registrar import Registrar
from proxy.core.replies import reply
from proxy.core.response_context import ResponseContext
from proxy.core.routes import Identity, RouteSet, read_routes
from proxy.core.settings import CoreSettings
from proxy.core.targets import Router, Target
from proxy.core.tokens import TokenBox
from proxy.core.validation import Refusal, check_request
from proxy.endpoints.table import EndpointTable
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow, FlowTable
from proxy.sip.message import (
    Request,
    Response,
    UnreadableRequest,
    parse_message,
)
from proxy.sip.plain_response import read_plain_response
from proxy.sip.uri import parse_uri
from proxy.transaction.keys import server_key
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import Timers

COUNTED_METHODS: Final = tuple(
    b"INVITE ACK BYE CANCEL OPTIONS REGISTER SUBSCRIBE NOTIFY BENOTIFY INFO UPDATE"
    b" MESSAGE REFER PRACK PUBLISH SERVICE".split()
)
_OVERLOAD: Final = Refusal(503, "", (b"Retry-After: 10",))
_UNANSWERED: Final = frozenset({b"ACK", b"BENOTIFY"})


class ProxyCore:
    """A stateful, record-routing proxy without sockets, clock or logs.

    ``cached`` is the resolver's memory: a look-up that never waits.  Counters are
    plain integers that telemetry reads.
    """

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        cached: Cached,
        table: EndpointTable | None = None,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()
        self.settings = settings
        self.flows = flows
        self.timers = Timers()
        self.transactions = TransactionLayer(self.send, self.timers)
        self.tokens = TokenBox(settings.keys, flows)
        self.identity = Identity(
            flows.listeners, settings.domains, settings.local_addresses
        )
        self.router = Router(
            settings, self.identity, self.tokens, table or EndpointTable()
        )
        self.location = self.router.location
        self.branches = Branches(rng.getrandbits(32), flows.listeners)
        self.next_hops = NextHops(flows, self.identity, self.router, cached, rng)
        self.health = self.next_hops.health
        self._out: list[commands.Command] = []
        self.forwarder = Forwarder(
            settings,
            flows,
            self.transactions,
            self.tokens,
            self.branches,
            self.next_hops,
            self._out,
        )
        self.registrar = (
            Registrar(settings, self.router, self._out) if settings.registrar else None
        )
        self._rng = rng
        self.is_draining = False
        self.requests_received = 0
        # Other methods share one counter: a stranger must not make us keep names.
        self.requests_by_method = dict.fromkeys((*COUNTED_METHODS, b"other"), 0)
        self.responses_received = 0
        self.malformed_received = 0
        self.strays_dropped = 0
        self.requests_refused = 0

    # -- the shell's side --------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> list[commands.Command]:
        """Take one event; returns commands in the order they shall be carried out."""
        match event:
            case events.MessageReceived():
                self.receive(event.flow, event.data, now)
            case events.FlowOpened():
                self.forwarder.connected(event.front_end, now)
            case events.ConnectFailed():
                self.forwarder.connect_failed(
                    event.front_end, event.reason, event.detail, now
                )
            case events.FlowClosed():
                self.transactions.flow_closed(event.flow, event.reason, now)
            case events.DatagramRefused():
                self.forwarder.datagram_refused(event.data, event.reason, now)
            case events.Resolved():
                self.forwarder.resolved(event.lookup, event.resolution, now)
            case events.TableChanged():
                self.router.swap_table(event.table, self.next_hops.seen())
            case events.FramingFailed():
                self._framing_failed(event, now)
            case _:
                if self.registrar is not None:
                    self.registrar.handle(event, now)
        return self.take_commands()

    def take_commands(self) -> list[commands.Command]:
        """What has been decided since the last call."""
        out = self._out.copy()
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """The next instant at which ``expire`` has something to do."""
        return self.timers.deadline()

    def expire(self, now: float) -> list[commands.Command]:
        """Fire the timers that are due."""
        self.timers.fire(now)
        return self.take_commands()

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue bytes for a flow."""
        self._out.append(commands.Send(flow, data))

    # -- messages ----------------------------------------------------------------

    def receive(self, flow: Flow, data: bytes, now: float) -> None:
        """One message; ``handle(MessageReceived)`` without the event around it."""
        plain = read_plain_response(data) if data[:4] == b"SIP/" else None
        if plain is not None:
            self.responses_received += 1
            if self.branches.is_own_via(plain.sent_by):
                transaction = self.transactions.client_for(plain.branch, plain.method)
                if transaction is not None:
                    transaction.response_received(plain, now)
                    return
            self.strays_dropped += 1
            return
        try:
            message = parse_message(data, self.settings.limits, stream=flow.reliable)
            if isinstance(message, Response):
                self.responses_received += 1
                self._response(message, now)
            else:
                message.size = len(data)
                self._request(message, flow, now)
        except UnreadableRequest as error:
            self.malformed_received += 1
            self._refuse_unreadable(error, flow)
        except MalformedMessage:
            self.malformed_received += 1

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        self.requests_received += 1
        method = request.method
        counts = self.requests_by_method
        counts[method if method in counts else b"other"] += 1
        try:
            request.via = via = request.top_via()
            key = server_key(request)
        except MalformedMessage as error:
            # Without a key there is no transaction; answer once and forget.
            raise UnreadableRequest(request, error.reason, error.status) from None
        known = self.transactions.servers.get(key)
        if known is not None and self.transactions.absorb(known, request, now):
            return
        reply_flow = stamp_via(request, via, flow, self.flows)
        refusal = check_request(request, self.settings.limits)
        if refusal is None and self.branches.is_looping(request):
            refusal = Refusal(482)
        if method in _UNANSWERED:
            if refusal is None:
                self._relay(request, flow, now)
            return
        if method == b"CANCEL":
            self._cancel(request, reply_flow, refusal, now)
            return
        if len(self.transactions) > self.settings.max_transactions:
            self._refuse_overload(request, flow, reply_flow, refusal)
            return
        if refusal is None:
            refusal = self._check_draining(request)
        server = self.transactions.open_server(key, method, reply_flow)
        if refusal is None:
            try:
                routes = read_routes(request, self.identity, self.tokens)
                if (
                    method == b"REGISTER"
                    and self.registrar is not None
                    and self.registrar.is_addressed(routes)
                ):
                    self.registrar.register(request, flow, server, now)
                    return
                decision = self.router.decide(request, routes, flow, now)
            except MalformedMessage as error:
                decision = Refusal(error.status, error.reason)
            if isinstance(decision, list):
                self._start(request, routes, flow, server, decision, now)
                return
            refusal = decision
        self._refuse(request, flow, server, refusal, now)

    def _refuse_overload(
        self,
        request: Request,
        flow: Flow,
        reply_flow: Flow,
        refusal: Refusal | None,
    ) -> None:
        """Answer once and forget: a limit that costs a transaction limits nothing."""
        status, reason, extra, _ = refusal or _OVERLOAD
        self.requests_refused += 1
        self.send(reply_flow, reply(request, status, reason, extra))
        if self.settings.log_access and not has_to_tag(request):
            self._out.append(
                commands.LogAccess(request, flow, status, 0.0, "", "", "", ())
            )

    def _check_draining(self, request: Request) -> Refusal | None:
        if self.is_draining and request.to_tag() is None:
            # Soon gone, soon back: waiting times spread, so that not all come at once.
            after = b"Retry-After: %d" % self._rng.randrange(5, 20)
            return Refusal(503, "", (after,))
        return None

    def _start(
        self,
        request: Request,
        routes: RouteSet,
        flow: Flow,
        server: ServerTransaction,
        targets: list[Target],
        now: float,
    ) -> None:
        if request.method == b"INVITE":
            server.respond(100, reply(request, 100), now)
        elif request.method == b"INFO":
            self._learn(request, routes, flow, targets[0])
        if targets[0].rule == "learned":
            key = parse_uri(routes.request_uri).key
            self._out.append(commands.UseLearnedUri(key))
        context = ResponseContext(
            self.forwarder, request, routes, flow, server, targets, now
        )
        server.user = context
        context.search(now)

    def _relay(self, request: Request, flow: Flow, now: float) -> None:
        """ACK and BENOTIFY travel without a transaction; nobody answers them."""
        routes = read_routes(request, self.identity, self.tokens)
        decision = self.router.decide(request, routes, flow, now)
        if isinstance(decision, list):
            ResponseContext(
                self.forwarder, request, routes, flow, None, decision, now
            ).search(now)

    def _refuse(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        refusal: Refusal,
        now: float,
    ) -> None:
        self.requests_refused += refusal.status >= 300
        data = reply(request, refusal.status, refusal.reason, refusal.extra)
        server.respond(refusal.status, data, now)
        endpoint = refusal.endpoint
        if (endpoint or self.settings.log_access) and not has_to_tag(request):
            rule = "endpoint" if endpoint else ""
            self._out.append(
                commands.LogAccess(
                    request, flow, refusal.status, 0.0, rule, endpoint, "", ()
                )
            )

    def _refuse_unreadable(self, error: UnreadableRequest, flow: Flow) -> None:
        """Answer a broken request once; where even its Via is broken, to its source."""
        request = error.request
        if request.method in _UNANSWERED or "via" not in request.index:
            return
        reply_flow = flow
        with suppress(MalformedMessage):
            via = request.via = request.top_via()
            reply_flow = stamp_via(request, via, flow, self.flows)
        self.send(reply_flow, reply(request, error.status, error.reason))

    def _framing_failed(self, event: events.FramingFailed, now: float) -> None:
        self.malformed_received += 1
        try:
            parse_message(event.data, self.settings.limits, stream=True)
        except UnreadableRequest as error:
            error.status, error.reason = event.status, event.reason
            self._refuse_unreadable(error, event.flow)
        except MalformedMessage:
            pass
        self._out.append(commands.Close(event.flow, "framing"))

    def _cancel(
        self,
        request: Request,
        reply_flow: Flow,
        refusal: Refusal | None,
        now: float,
    ) -> None:
        """Section 16.10: answered here; the INVITE's search is stopped."""
        invite = self.transactions.servers.get(server_key(request, b"INVITE"))
        if invite is None and len(self.transactions) > self.settings.max_transactions:
            self.send(reply_flow, reply(request, 481))
            return
        server = self.transactions.open_server(
            server_key(request), b"CANCEL", reply_flow
        )
        if refusal is None and invite is None:
            refusal = Refusal(481)
        if refusal is not None:
            data = reply(request, refusal.status, refusal.reason, refusal.extra)
            server.respond(refusal.status, data, now)
            return
        server.respond(200, reply(request, 200), now)
        assert invite is not None
        if isinstance(invite.user, ResponseContext):
            invite.user.cancel(now)

    def _response(self, response: Response, now: float) -> None:
        """Section 16.7 items 1 and 2: to the transaction whose branch is on top."""
        via = response.top_via()
        transaction = None
        if via.branch is not None and self.branches.is_own_via(via.head.sent_by):
            method = response.cseq()[1]
            transaction = self.transactions.client_for(via.branch, method)
        if transaction is None:
            self.strays_dropped += 1
        else:
            transaction.response_received(response, now)

    def _learn(
        self, request: Request, routes: RouteSet, flow: Flow, target: Target
    ) -> None:
        """``rpl:requri`` from a pool inside a dialog of an endpoint.

        The client INVITEs the URI within milliseconds, so it counts from now on; the
        store follows.
        """
        if target.rule != "client" or request.body.find(b"rpl:requri") < 0:
            return
        token = routes.token
        endpoint = self.router.table.by_tag.get(token.endpoint_tag) if token else None
        pool = self.router.front_ends.get(flow.host)
        uri = learned_uri(request.body, self.settings.domains)
        if endpoint is None or pool is None or uri is None:
            return
        if self.router.learn(uri, pool, endpoint.key):
            self._out.append(commands.LearnUri(uri, pool, endpoint.key))


def has_to_tag(request: Request) -> bool:
    """True inside a dialog; False too when To cannot be read."""
    try:
        return request.to_tag() is not None
    except MalformedMessage:
        return False
