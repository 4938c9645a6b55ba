"""The proxy core: dispatch only.

``handle(event, now)`` takes what happened and returns what shall be done.  The rules
live next door: validation, routes, targets, next_hops, forwarder, response_context.
"""

from __future__ import annotations

import random
from dataclasses import replace

from proxy.core import commands, events
from proxy.core.answers.for_us import is_for_us
from proxy.core.answers.refusals import UNANSWERED, Refusals, draining
from proxy.core.answers.replies import has_to_tag, reply
from proxy.core.dialogs.learned_uri import learn
from proxy.core.dialogs.record_route import RecordRoutes
from proxy.core.first_hop.affinity import Affinity
from proxy.core.first_hop.first_hop import FirstHop
from proxy.core.forwarding.cancels import Cancels
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.line_edits import note_alias, stamp_via
from proxy.core.forwarding.response_context import ResponseContext
from proxy.core.forwarding.responses import Responses
from proxy.core.forwarding.way_back import WayBack
from proxy.core.guard import Guard
from proxy.core.registrar.registrar import Registrar
from proxy.core.routing.chat_probe import ChatProbes
from proxy.core.routing.next_hops import Cached, NextHops
from proxy.core.routing.parked import LookUps
from proxy.core.routing.router import Router
from proxy.core.routing.routes import RouteSet, identity_of, read_routes
from proxy.core.routing.target import ASK, Decision, Target
from proxy.core.settings import CoreSettings
from proxy.core.siblings.directory import Siblings
from proxy.core.siblings.handover import Handover, branches_for
from proxy.core.tokens import TokenBox
from proxy.core.upkeep import Upkeep
from proxy.core.validation import (
    COUNTED_METHODS,
    Refusal,
    check_forwarding,
    check_request,
)
from proxy.endpoints.table import EndpointTable
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow, FlowTable
from proxy.sip.message import Request, Response, UnreadableRequest, parse_message
from proxy.sip.plain_response import read_plain_response
from proxy.sip.uri import parse_uri
from proxy.transaction.budget import Budget
from proxy.transaction.keys import server_key
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import Timers


class ProxyCore:
    """A stateful, record-routing proxy without sockets, clock or logs.

    ``cached`` is the resolver's memory: a look-up that never waits.  ``siblings`` are
    the other workers of this node, if any.  Counters are plain integers that telemetry
    reads.
    """

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        cached: Cached,
        table: EndpointTable | None = None,
        rng: random.Random | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._rng = rng = rng or random.Random()
        self.settings = settings
        self.flows = flows
        self.timers = Timers()
        self.budget = Budget(settings.memory)
        self.transactions = TransactionLayer(self.send, self.timers, self.budget)
        self.tokens = TokenBox(settings.keys, flows)
        self.identity = identity = identity_of(settings, flows)
        self._out: list[commands.Command] = []
        affinity = Affinity(flows, self._out.append, settings.attempts.connect)
        self.first_hop = FirstHop(flows, self.tokens, affinity)
        self.router = Router(
            settings, identity, self.tokens, table or EndpointTable(), affinity
        )
        self.location = self.router.location
        self.chat_probes = ChatProbes(self.identity, self.tokens, settings.source)
        self.branches = branches_for(flows, rng, siblings)
        self.next_hops = NextHops(flows, identity, self.router, cached, rng, affinity)
        self.health = self.next_hops.health
        self.handover = Handover(siblings, self._out) if siblings else None
        self.refusals = Refusals(settings, flows, self.send, self._out, self.timers)
        self.guard = guard = Guard(self.refusals, self._out)
        self.timers.failed = guard.timer
        self.forwarder = Forwarder(
            settings,
            flows,
            self.transactions,
            RecordRoutes(self.tokens, identity),
            self.branches,
            self.next_hops,
            self.first_hop,
            guard,
            self._out,
        )
        self.way_back = WayBack(settings, flows, self.send, guard, self._out)
        self.transactions.way_lost = self.way_back.lost
        self.registrar = (
            Registrar(settings, self.router, guard, self._out, self.refusals)
            if settings.registrar
            else None
        )
        self.upkeep = Upkeep(self.health, self.location, self._out)
        if self.registrar is not None:
            self.upkeep.clock_set = self.registrar.clock_set
        self.look_ups = LookUps(self, self._out)
        self.responses = Responses(self.forwarder, self.handover)
        self.cancels = Cancels(self)
        self.is_draining = False
        self.requests_received = self.malformed_received = 0
        # Other methods share one counter: a stranger must not make us keep names.
        self.requests_by_method = dict.fromkeys((*COUNTED_METHODS, b"other"), 0)

    # -- the shell's side --------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> list[commands.Command]:
        """Take one event; returns commands in the order they shall be carried out.

        Never raises: what fails is answered and told by the guard.
        """
        try:
            self._happened(event, now)
        except Exception as error:
            self.guard.event(self, event, error, now)
        return self.take_commands()

    def _happened(self, event: events.Event, now: float) -> None:
        match event:
            case events.MessageReceived():
                self.receive(event.flow, event.data, now)
            case events.FlowOpened():
                self.forwarder.connected(event.front_end, now)
                self.way_back.opened(event.front_end, event.flow)
            case events.ConnectFailed():
                self.way_back.failed(event.front_end, now)
                self.forwarder.connect_failed(
                    event.front_end, event.reason, event.detail, now
                )
            case events.FlowClosed():
                self.transactions.flow_closed(event.flow, event.reason, now)
                self.first_hop.affinity.flow_closed(event.flow)
                self.way_back.closed(event.flow, now)
            case events.DatagramRefused():
                is_ours = self.forwarder.datagram_refused(event.data, event.reason, now)
                if self.handover is not None and not is_ours:
                    self.handover.refused(event.flow, event.data, event.reason)
            case events.Resolved():
                self.forwarder.resolved(event.lookup, event.resolution, now)
            case events.TableChanged():
                self.router.swap_table(event.table, self.next_hops.seen())
            case events.LookedUp():
                self.look_ups.answered(event, now)
            case events.FramingFailed():
                self.malformed_received += 1
                self.refusals.framing(event)
            case events.UriTold():
                self.router.learn(event.uri, event.pool_fqdn, event.endpoint_key)
            case events.NodesChanged():
                self.router.nodes.update(event.nodes)
            case events.SettingsChanged():
                self._use(event.settings)
            case events.KeysChanged():
                self.tokens.use_keys(event.keys)
                self.settings = replace(self.settings, keys=event.keys)
            case events.Draining():
                self.is_draining = True
            case (
                events.ClockRead()
                | events.SweepDue()
                | events.EjectionTold()
                | events.ProbeFailed()
                | events.EjectionProlonged()
                | events.EjectionEnded()
            ):
                self.upkeep.handle(event, now)
            case _:
                if self.registrar is not None:
                    self.registrar.handle(event, now)

    def _use(self, settings: CoreSettings) -> None:
        """Go on with what a reload may change; the keys stay."""
        settings = replace(settings, keys=self.settings.keys)
        self.settings = self.forwarder.settings = settings
        attempts = self.forwarder.attempts = settings.attempts
        self.way_back.timeout = attempts.connect
        self.first_hop.affinity.timeout = attempts.connect

    def take_commands(self) -> list[commands.Command]:
        """What has been decided since the last call."""
        out = self._out.copy()
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """The next instant at which ``expire`` has something to do."""
        return self.timers.deadline()

    def expire(self, now: float) -> list[commands.Command]:
        """Fire the timers that are due; never raises either."""
        self.timers.fire(now)
        return self.take_commands()

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue bytes for a flow, unless they would make us somebody's loudspeaker."""
        if flow.is_proven or self.budget.may_say(flow, data):
            self._out.append(commands.Send(flow, data))

    # -- messages ----------------------------------------------------------------

    def receive(self, flow: Flow, data: bytes, now: float) -> None:
        """One message; ``handle(MessageReceived)`` without the event around it."""
        try:
            self._take(flow, data, now)
        except Exception as error:
            self.guard.message(flow, data, error)

    def _take(self, flow: Flow, data: bytes, now: float) -> None:
        if not flow.is_proven:
            self.budget.heard(flow, len(data))
        if data.startswith(b"SIP/"):
            if flow.first_hop:
                data = self.first_hop.take_response(data, flow)
            plain = read_plain_response(data)
            if plain is not None:
                self.responses.plain(plain, flow, data, now)
                return
        try:
            message = parse_message(data, self.settings.limits, stream=flow.reliable)
            if isinstance(message, Response):
                self.responses.parsed(message, flow, data, now)
            else:
                message.size = len(data)
                self._request(message, flow, now)
        except UnreadableRequest as error:
            self.malformed_received += 1
            self.refusals.unreadable(error, flow)
        except MalformedMessage:
            self.malformed_received += 1

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        self.requests_received += 1
        method = request.method
        counts = self.requests_by_method
        if method in counts:
            counts[method] += 1
        else:
            counts[b"other"] += 1
            self.cancels.note(method)
        try:
            request.via = via = request.top_via()
            key = server_key(request)
        except MalformedMessage as error:
            # Without a key there is no transaction; answer once and forget.
            raise UnreadableRequest(request, error.reason, error.status) from None
        known = self.transactions.servers.get(key)
        if known is not None:
            if self.transactions.absorb(known, request, now):
                return
        elif self.handover is not None and self.handover.request(request, flow, key):
            return
        reply_flow = stamp_via(request, via, flow, self.flows)
        if "alias" in via.parameters and flow.peer_names:
            note_alias(via, flow, self.flows)
        refusal = check_request(request, self.settings.limits)
        if refusal is None:
            refusal = check_forwarding(request)
            if refusal is None and self.branches.is_looping(request):
                refusal = Refusal(482)
            if refusal is not None and is_for_us(self, request):
                refusal = None
        if method in UNANSWERED:
            if refusal is None and not self.refusals.is_acknowledged(request, key):
                self._relay(request, flow, now)
            return
        if method == b"CANCEL":
            self.cancels.take(request, flow, reply_flow, refusal, now)
            return
        most = self.settings.max_transactions
        if not self.transactions.has_room(flow, request.size, most):
            self.refusals.overload(request, flow, reply_flow, refusal)
            return
        if refusal is None and self.is_draining:
            refusal = draining(request, self._rng)
        server = self.transactions.open_server(key, method, reply_flow, request.size)
        if not (reply_flow.reliable or reply_flow.is_proven):
            server.is_in_dialog = has_to_tag(request)
        try:
            if self.handover is not None:
                self.handover.siblings.transactions.note(key)
            if refusal is None:
                self._route(request, flow, server, key, now)
            else:
                self.refusals.answer(request, flow, server, refusal, now)
        except Exception as bug:  # mypyc: a name of its own, it has another type
            self.guard.request(request, flow, server, bug, now)

    def _route(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        key: bytes,
        now: float,
    ) -> None:
        """To the registrar, to its targets, or to whoever may know some."""
        handover = self.handover
        is_second_look = handover is not None and handover.siblings.has_waited(key)
        routes = read_routes(request, self.identity, self.tokens)
        registrar = self.registrar
        if (
            request.method == b"REGISTER"
            and registrar is not None
            and registrar.is_addressed(routes)
        ):
            registrar.register(request, flow, server, now)
            return
        if flow.first_hop:
            self.first_hop.take_request(request, flow)
        decision = self.router.decide(request, routes, flow, now)
        if routes.probe is not None and routes.token is None:
            decision = self.chat_probes.pinned(
                self.router.table, routes, decision, flow, now
            )
        if (
            isinstance(decision, Refusal)
            and handover is not None
            and not is_second_look
            and handover.again(decision.status, request, flow, key)
        ):
            self.transactions.forget_server(server)
        elif decision is ASK:
            self.look_ups.park(request, routes, flow, server)
        else:
            self.decided(request, routes, flow, server, decision, now)

    def decided(
        self,
        request: Request,
        routes: RouteSet,
        flow: Flow,
        server: ServerTransaction,
        decision: Decision,
        now: float,
    ) -> None:
        """Go on with a request now that it is known where to."""
        if isinstance(decision, list):
            self._start(request, routes, flow, server, decision, now)
        else:
            self.refusals.answer(request, flow, server, decision, now)

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
            learned = learn(self.router, request, routes, flow, targets[0], now)
            if learned is not None:
                self._out.append(learned)
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
        if flow.first_hop:
            self.first_hop.take_request(request, flow)
        decision = self.router.decide(request, routes, flow, now, ())
        if isinstance(decision, list):
            ResponseContext(
                self.forwarder, request, routes, flow, None, decision, now
            ).search(now)
