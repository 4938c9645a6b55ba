"""Takes every request that comes in, from its transaction to its targets.

The steps are those of RFC 3261, in its order: the transaction (section 17.2.3),
validation (16.3), routes (16.4), targets (16.5), and then the search (16.6), which is
``forwarding/response_context.py``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from proxy.core import commands
from proxy.core.answers.overload import Overload, come_back
from proxy.core.answers.refusals import UNANSWERED, Refusals
from proxy.core.answers.replies import has_to_tag, reply
from proxy.core.dialogs.requri import learn
from proxy.core.forwarding.cancels import Cancels
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.line_edits import note_alias, stamp_via
from proxy.core.forwarding.response_context import ResponseContext
from proxy.core.guard import Guard
from proxy.core.registrar.registrar import Registrar
from proxy.core.routing.chat_probe import ChatProbes
from proxy.core.routing.parked import LookUps
from proxy.core.routing.route_set import RouteSet, is_for_registrar, read_routes
from proxy.core.routing.router import Router
from proxy.core.routing.rule_order import decided_by
from proxy.core.routing.target import Ask, Decision, Target
from proxy.core.settings import CoreSettings
from proxy.core.siblings.handover import Handover
from proxy.core.validation import (
    COUNTED_METHODS,
    Refusal,
    check_forwarding,
    check_request,
)
from proxy.sip.counted import Counted
from proxy.sip.errors import MalformedMessage
from proxy.sip.flow import Flow
from proxy.sip.message import Request, UnreadableRequest
from proxy.sip.uri import parse_uri
from proxy.transaction.budget import bytes_of
from proxy.transaction.keys import server_key
from proxy.transaction.server import ServerTransaction

_NOBODY: Final = 404
_OTHER: Final = b"other"


class Requests:
    """Takes requests, and counts them for telemetry.

    ``settings`` may be replaced at any time.  While ``is_draining`` is set, requests
    that begin something are refused.
    """

    __slots__ = (
        "_branches",
        "_chat_probes",
        "_counts",
        "_first_hop",
        "_flows",
        "_forwarder",
        "_guard",
        "_handover",
        "_identity",
        "_out",
        "_overload",
        "_refusals",
        "_registrar",
        "_rng",
        "_router",
        "_tokens",
        "_transactions",
        "cancels",
        "is_draining",
        "look_ups",
        "settings",
    )

    def __init__(
        self,
        settings: CoreSettings,
        router: Router,
        forwarder: Forwarder,
        registrar: Registrar | None,
        handover: Handover | None,
        refusals: Refusals,
        overload: Overload,
        guard: Guard,
        send: Callable[[Flow, bytes], None],
        rng: random.Random,
    ) -> None:
        self.settings = settings
        router.is_alone = router.is_alone and handover is None
        self._router = router
        self._identity = router.identity
        self._tokens = router.tokens
        self._chat_probes = ChatProbes(router.identity, router.tokens, settings.source)
        self._forwarder = forwarder
        self._flows = forwarder.flows
        self._transactions = forwarder.transactions
        self._branches = forwarder.branches
        self._first_hop = forwarder.first_hop
        self._registrar = registrar
        self._handover = handover
        self._refusals = refusals
        self._overload = overload
        self._guard = guard
        self._rng = rng
        self._out = out = forwarder.out
        self.look_ups = LookUps(router.decide, router.learn, self.decided, guard, out)
        self.cancels = Cancels(
            *(self._transactions, send, self._has_room, self.look_ups.cancel),
            *(guard, settings.source),
        )
        self.is_draining = False
        # Other methods share one counter: strangers could make up any number of names.
        self._counts = {method: Counted() for method in (*COUNTED_METHODS, _OTHER)}

    @property
    def by_method(self) -> dict[bytes, int]:
        """How many requests have come, by method."""
        return {method: count.n for method, count in self._counts.items()}

    def take(self, request: Request, flow: Flow, now: float) -> None:
        """One request: to its transaction, to a sibling, or validated and routed.

        Raises UnreadableRequest for one that must be answered without a transaction.
        """
        method = request.method
        self._count(method)
        try:
            request.via = via = request.top_via()
            key = server_key(request)
        except MalformedMessage as error:
            # Without a key there is no transaction: our caller answers once.
            raise UnreadableRequest(request, error.reason, error.status) from None
        # Section 17.2.3 before section 16.3: a repetition then costs only a look-up.
        layer = self._transactions
        known, answer = layer.servers.get(key), layer.answers.get(key)
        if known is not None:
            if layer.absorb(known, request, now):
                return
        elif answer is not None:
            if method != b"ACK":  # the ACK of a 2xx is a request of its own
                layer.repeat(answer, stamp_via(request, via, flow, self._flows))
                return
        elif self._handover is not None and self._handover.request(request, flow, key):
            return
        # Section 18.2.1: first of all, because answers copy the Via.
        reply_flow = stamp_via(request, via, flow, self._flows)
        if "alias" in via.parameters and flow.peer_names:
            note_alias(via, flow, self._flows)
        refusal = self.validate(request)
        if method in UNANSWERED:
            # ACK (section 17) and BENOTIFY ([MS-SIP]) get no response, so a broken one
            # is dropped without a word.
            if refusal is None and not self._refusals.is_acknowledged(request, key):
                self._relay(request, flow, now)
            return
        if method == b"CANCEL":
            self.cancels.take(request, flow, reply_flow, refusal, now)
            return
        if self._overload.refuses(request, reply_flow):
            return
        # From here on there is a transaction; what was refused above cost no memory.
        size = bytes_of(request.size, len(request.lines))
        if not self._has_room(flow, size):
            self._refusals.no_room(request, flow, reply_flow, refusal)
            return
        if refusal is None and self.is_draining and not has_to_tag(request):
            refusal = come_back(self._rng)
        server = self._transactions.open_server(key, method, reply_flow, size, via.head)
        if not (reply_flow.reliable or reply_flow.is_proven):
            server.is_in_dialog = has_to_tag(request)
        try:
            if self._handover is not None:
                self._handover.siblings.transactions.note(key)
            if refusal is None:
                self._route(request, flow, server, key, now)
            else:
                self._refusals.answer(request, flow, server, refusal, now)
        except Exception as bug:  # not ``error``: mypyc gives a name one type only
            self._guard.request(request, flow, server, bug, now)

    def _count(self, method: bytes) -> None:
        count = self._counts.get(method)
        if count is not None:
            count.n += 1
        else:
            self._counts[_OTHER].n += 1
            self.cancels.note(method)

    def validate(self, request: Request) -> Refusal | None:
        """Section 16.3: what every element refuses, and what only a proxy refuses."""
        refusal = check_request(request, self.settings.limits)
        if refusal is not None:
            return refusal
        refusal = check_forwarding(request)
        if refusal is None and self._branches.is_looping(request):
            refusal = Refusal(482)
        # What only a proxy refuses does not count for a request to ourselves: an
        # OPTIONS with Max-Forwards 0 asks the server that it has reached (section 11).
        if refusal is not None and self._is_for_us(request):
            return None
        return refusal

    def _is_for_us(self, request: Request) -> bool:
        """True for a request that we answer ourselves and do not forward."""
        if request.method == b"CANCEL":  # section 16.10
            return True
        try:
            routes = read_routes(request, self._identity, self._tokens)
            if request.method == b"REGISTER" and self._registrar is not None:
                return is_for_registrar(routes, self._identity)
            uri = parse_uri(routes.request_uri)
        except MalformedMessage:
            return False
        if routes.entries and request.hops != 0:
            return False
        return self._router.for_us(request, uri) is not None

    def _has_room(self, flow: Flow, size: int) -> bool:
        return self._transactions.has_room(flow, size, self.settings.max_transactions)

    def _route(
        self,
        request: Request,
        flow: Flow,
        server: ServerTransaction,
        key: bytes,
        now: float,
    ) -> None:
        """Give a request to the registrar, to its targets, to a sibling that may know
        more, or to a look-up in the store."""
        handover = self._handover
        is_second_look = handover is not None and handover.siblings.has_waited(key)
        routes = read_routes(request, self._identity, self._tokens)
        registrar = self._registrar
        if (
            request.method == b"REGISTER"
            and registrar is not None
            and is_for_registrar(routes, self._identity)
        ):
            registrar.register(request, flow, server, now)
            return
        if flow.first_hop:
            self._first_hop.take_request(request, flow)
        decision = self._router.decide(request, routes, flow, now)
        if routes.probe is not None and routes.token is None:
            decision = self._chat_probes.pinned(
                self._router.table, routes, decision, flow, now
            )
        is_asking = isinstance(decision, Ask) and not self.settings.asks_store
        if (
            (is_asking or isinstance(decision, Refusal))
            and handover is not None
            and not is_second_look
            and handover.again(_status_of(decision), request, flow, key)
        ):
            self._transactions.forget_server(server)
        elif is_asking:  # the siblings have been asked, and there is no shared store
            known = self._router.decide(request, routes, flow, now, ())
            self.decided(request, routes, flow, server, known, now)
        elif isinstance(decision, Ask):
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
        """Go on with a request whose targets, or whose refusal, are known."""
        if isinstance(decision, list):
            self._start(request, routes, flow, server, decision, now)
        elif isinstance(decision, Refusal):
            # Decide once more to learn which rule refused it: only refused requests pay
            # for these notes.
            notes: list[str] = []
            self._router.decide(request, routes, flow, now, (), notes)
            by = decided_by(notes)
            self._refusals.answer(request, flow, server, decision, now, by)

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
            # Section 17.2.1 lets us wait 200 ms, in case the callee answers first.  To
            # send the 100 at once needs no timer, and the client stops repeating.
            server.respond(100, reply(request, 100), now)
        elif request.method == b"INFO":
            learned = learn(self._router, request, routes, flow, targets[0], now)
            if learned is not None:
                self._out.append(learned)
        if targets[0].rule == "learned":
            key = parse_uri(routes.request_uri).key
            self._out.append(commands.UseLearnedUri(key))
        context = ResponseContext(
            self._forwarder, request, routes, flow, server, targets, now
        )
        server.user = context
        context.go_on(now)

    def _relay(self, request: Request, flow: Flow, now: float) -> None:
        """ACK and BENOTIFY travel without a transaction; nobody answers them."""
        routes = read_routes(request, self._identity, self._tokens)
        if flow.first_hop:
            self._first_hop.take_request(request, flow)
        decision = self._router.decide(request, routes, flow, now, ())
        if isinstance(decision, list):
            ResponseContext(
                self._forwarder, request, routes, flow, None, decision, now
            ).go_on(now)


def _status_of(decision: Decision) -> int:
    """The status by which siblings decide; an address that only the store may know
    counts as a 404."""
    return decision.status if isinstance(decision, Refusal) else _NOBODY
