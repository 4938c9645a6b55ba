"""The proxy core: it joins the parts and gives each event to the right one.

``handle(event, now)`` takes what happened and returns what shall be done.  The rules
are elsewhere: ``requests.py`` and ``validation.py``, ``routing/``, ``forwarding/``,
``dialogs/``, ``registrar/`` and ``first_hop/``.
"""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

from proxy.core import commands, events
from proxy.core.aftermath import Aftermath
from proxy.core.answers.overload import Overload
from proxy.core.answers.refusals import Refusals
from proxy.core.dialogs.record_route import RecordRoutes
from proxy.core.dialogs.rules import by_dialog
from proxy.core.first_hop.affinity import Affinity
from proxy.core.first_hop.first_hop import FirstHop
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.responses import Responses
from proxy.core.forwarding.way_back import WayBack
from proxy.core.guard import Guard
from proxy.core.registrar.registrar import Registrar
from proxy.core.requests import Requests
from proxy.core.routing.identity import identity_of
from proxy.core.routing.next_hops import Cached, NextHops
from proxy.core.routing.router import Router
from proxy.core.settings import CoreSettings
from proxy.core.siblings.directory import Siblings
from proxy.core.siblings.handover import Handover, branches_for
from proxy.core.tokens import TokenBox
from proxy.core.upkeep import Upkeep
from proxy.endpoints.table import EndpointTable
from proxy.pools.front_end import Lookup, Resolution
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow, FlowTable
from proxy.sip.limits import for_answers
from proxy.sip.message import Response, UnreadableRequest, parse_message
from proxy.sip.plain_response import read_plain_response
from proxy.transaction.budget import Budget
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.timers import Timers


class ProxyCore:
    """A stateful, record-routing proxy without sockets, clock or logs.

    ``cached`` looks a name up in the resolver's memory and never waits.  ``siblings``
    are the other workers of this node, if any.  Telemetry reads the counters, which are
    plain integers.  ``ignored`` are of the malformed messages those that one stranger
    sent too many of in a second: nothing was done with them.
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
        rng = rng or random.Random()
        self.settings, self.flows = settings, flows
        self._answer_limits = for_answers(settings.limits)
        self.timers, self.budget = Timers(), Budget(settings.memory)
        self.transactions = TransactionLayer(self.send, self.timers, self.budget)
        self.tokens = TokenBox(settings.keys, flows)
        self.identity = identity = identity_of(settings, flows)
        out: list[commands.Command] = []
        self._out = out
        flows.account_of = self.budget.account
        affinity = Affinity(flows, self._out.append, settings.attempts.connect)
        self.first_hop = FirstHop(flows, self.tokens, affinity)
        self.router = Router(
            *(settings, identity, self.tokens, table or EndpointTable()),
            *(affinity, by_dialog),
        )
        self.location = self.router.location
        self.branches = branches_for(flows, rng, siblings)
        self.next_hops = NextHops(flows, identity, self.router, cached, rng, affinity)
        self.handover = Handover(siblings, self._out) if siblings else None
        self.refusals = Refusals(settings, flows, self.send, self._out, self.timers)
        self.guard = guard = Guard(self.refusals, self._out)
        self.timers.failed = guard.timer
        record_routes = RecordRoutes(self.tokens, identity)
        self.forwarder = Forwarder(
            *(settings, flows, self.transactions, record_routes, self.branches),
            *(self.next_hops, self.first_hop, guard.timer, self._out),
        )
        self.health, self.waiting = self.next_hops.health, self.forwarder.waiting
        self.refusals.is_friend = self.forwarder.asserted.may_assert
        self.way_back = WayBack(settings, flows, self.send, guard, self._out)
        self.transactions.server_side.way_lost = self.way_back.lost
        self.upkeep = Upkeep(self.health, self.location, self._out)
        self.registrar: Registrar | None = None
        if settings.registrar:
            self.registrar = Registrar(settings, self.router, guard, out, self.refusals)
            self.upkeep.clock_set = self.registrar.clock_set
        self.overload = overload = Overload(
            *(guard, self.timers, self.location, self.budget, rng), self._take
        )
        self.requests = Requests(
            *(settings, self.router, self.forwarder, self.registrar, self.handover),
            *(self.refusals, overload, guard, self.send, rng),
        )
        self.look_ups = self.requests.look_ups
        self.responses = Responses(self.forwarder, guard, self.handover)
        self._aftermath = Aftermath(
            *(guard, self.waiting, self.way_back, self.transactions),
            *(self.look_ups, self.registrar),
        )
        self.malformed_received = self.ignored = 0

    # -- the shell's side --------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> list[commands.Command]:
        """Take one event; returns the commands in the order to carry them out.

        Never raises: when something fails, the guard answers and reports it (decision
        23).
        """
        try:
            self._happened(event, now)
        except Exception as error:
            self.guard.event(event, error)
            with suppress(Exception):
                self._aftermath.end_waiting(event, error, now)
        return self.take_commands()

    def _happened(self, event: events.Event, now: float) -> None:
        match event:
            case events.MessageReceived():
                self.receive(event.flow, event.data, now)
            case events.FlowOpened():
                self.waiting.connected(event.front_end, now)
                self.way_back.opened(event.front_end, event.flow)
            case events.ConnectFailed():
                self.way_back.failed(event.front_end, now)
                self.waiting.connect_failed(
                    event.front_end, event.reason, event.detail, now
                )
                self.first_hop.affinity.connect_failed(event.front_end, event.reason)
            case events.FlowClosed():
                self.transactions.flow_closed(event.flow, event.reason, now)
                self.first_hop.affinity.flow_closed(event.flow)
                self.way_back.closed(event.flow, now)
            case events.DatagramRefused():
                is_ours = self.responses.refused(event.data, event.reason, now)
                if self.handover is not None and not is_ours:
                    self.handover.refused(event.flow, event.data, event.reason)
            case events.Resolved():
                self._note_resolution(event.lookup, event.resolution)
                self.waiting.resolved(event.lookup, event.resolution, now)
            case events.TableChanged():
                self.router.swap_table(event.table, self.next_hops.seen())
            case events.LookedUp():
                self.look_ups.answered(event, now)
            case events.FramingFailed():
                self.malformed_received += 1
                self.refusals.framing(event)
            case events.Overload():
                self.overload.changed(event.is_on, now)
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
                self.requests.is_draining = True
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
        """Use these settings from now on, but keep the keys: they have their own
        event."""
        settings = replace(settings, keys=self.settings.keys)
        self.settings = self.forwarder.settings = self.requests.settings = settings
        self._answer_limits = for_answers(settings.limits)
        attempts = self.forwarder.attempts = settings.attempts
        self.way_back.timeout = attempts.connect
        self.first_hop.affinity.timeout = attempts.connect

    def _note_resolution(self, lookup: Lookup, resolution: Resolution) -> None:
        """Note an answer of DNS.  If that fails, the requests that wait for it must go
        on all the same."""
        try:
            self.next_hops.note(lookup, resolution)
        except Exception as error:
            self.guard.report("resolution.failed", error, repr(lookup).encode())

    def take_commands(self) -> list[commands.Command]:
        """What has been decided since the last call."""
        out = self._out.copy()
        self._out.clear()
        return out

    def deadline(self) -> float | None:
        """The next instant at which ``expire`` has something to do."""
        return self.timers.deadline()

    def expire(self, now: float) -> list[commands.Command]:
        """Fire the timers that are due; like ``handle`` it never raises."""
        self.timers.fire(now)
        return self.take_commands()

    def send(self, flow: Flow, data: bytes) -> None:
        """Queue bytes for a flow, unless that would send a stranger's address more than
        it may get (decision 86)."""
        if flow.is_proven or self.budget.may_say(flow, data):
            self._out.append(commands.Send(flow, data))

    # -- messages ----------------------------------------------------------------

    def receive(self, flow: Flow, data: bytes, now: float) -> None:
        """One message; ``handle(MessageReceived)`` without the event around it."""
        try:
            if not (self.overload.is_busy and self.overload.parks(flow, data, now)):
                self._take(flow, data, now)
        except Exception as error:
            self.guard.message(flow, data, error)

    def _take(self, flow: Flow, data: bytes, now: float) -> None:
        if not flow.is_proven:
            self.budget.heard(flow, len(data))
        # Most responses need four of their lines and no parser (plain_response.py).
        if data.startswith(b"SIP/"):
            if flow.first_hop:
                data = self.first_hop.take_response(data, flow)
            plain = read_plain_response(data)
            if plain is not None:
                self.responses.plain(plain, flow, data, now)
                return
            limits = self._answer_limits
        else:
            limits = self.settings.limits
        try:
            message = parse_message(data, limits, stream=flow.reliable)
            if isinstance(message, Response):
                self.responses.parsed(message, flow, data, now)
            else:
                message.size = len(data)
                self.requests.take(message, flow, now)
        except MalformedMessage as error:
            self.malformed_received += 1
            if not (flow.is_proven or self.budget.may_garble(flow, now)):
                self.ignored += 1
            elif isinstance(error, UnreadableRequest):
                self.refusals.unreadable(error, flow)
            # A broken response, or a request without a usable Via: nobody can be told.
