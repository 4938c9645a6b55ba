"""What a search asks for: an attempt, a connection to wait for, a CANCEL, an answer.

The decisions are the response context's; this module carries them out with client
transactions and commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.core import commands
from proxy.core.answers.unreached import unreached
from proxy.core.dialogs.moves import REFRESHES, mark_request, refresh_of
from proxy.core.dialogs.record_route import DIALOG_METHODS, RecordRoutes
from proxy.core.first_hop.first_hop import FirstHop, without_keep_alive
from proxy.core.forwarding.asserted import Asserted, makes_claims
from proxy.core.forwarding.branches import Branches
from proxy.core.forwarding.line_edits import forward_request
from proxy.core.guard import Guard
from proxy.core.routing.next_hops import NextHops
from proxy.core.routing.secure import is_sips
from proxy.core.settings import CoreSettings
from proxy.core.validation import Refusal
from proxy.pools.front_end import FrontEnd, Lookup, Resolution
from proxy.sip.flow import Flow, FlowTable, Listener
from proxy.sip.message import Request
from proxy.transaction.client import ClientTransaction, cancel
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.timers import TRANSACTION_TIMEOUT

if TYPE_CHECKING:
    from proxy.core.forwarding.search import Search


MOST_RELAYED: Final = 4 * 1024 * 1024
"""Bytes of ACKs and BENOTIFYs that wait for a name or a connection; no transaction
accounts for them."""
_TOWARDS_CLIENTS: Final = frozenset({"dialog", "client", "binding"})


class Forwarder:
    """Sends requests for response contexts and wakes those that had to wait."""

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        transactions: TransactionLayer,
        record_routes: RecordRoutes,
        branches: Branches,
        next_hops: NextHops,
        first_hop: FirstHop,
        guard: Guard,
        out: list[commands.Command],
    ) -> None:
        self.guard = guard
        self.first_hop = first_hop
        self.asserted = Asserted(settings, next_hops, flows.listeners)
        guard.refusals.is_friend = self.asserted.may_assert
        self.affinity = first_hop.affinity
        self.settings = settings
        self.attempts = settings.attempts
        self.flows = flows
        self.transactions = transactions
        self.timers = transactions.timers
        self.record_routes = record_routes
        self.branches = branches
        self.next_hops = next_hops
        self.health = next_hops.health
        self.out = out
        self.parked: dict[object, list[Search]] = {}
        # Bytes of those among them that have no transaction, and in all.
        self._relayed: dict[Search, int] = {}
        self.relayed_bytes = 0

    # -- attempts ----------------------------------------------------------------

    def front_ends_of(
        self, context: Search, now: float, answer: Resolution | None = None
    ) -> Sequence[FrontEnd] | None:
        """The front ends of the context's target in order; None: it waits for DNS.

        ``answer`` is what DNS has just said, which may be too bad to be remembered.
        """
        target = context.target
        assert context.request is not None
        found = self.next_hops.find(target, context.request, context.flow, now, answer)
        if found is None:
            assert target.lookup is not None
            if self._wait(target.lookup, context):
                self.out.append(commands.Resolve(target.lookup))
        return found

    def other_front_ends(self, context: Search, now: float) -> Sequence[FrontEnd]:
        """The front ends of the context's target over transports not tried yet."""
        if context.target.lookup is None or context.request is None:
            return ()
        tried = frozenset(f.transport for f in context.front_ends)
        return self.next_hops.find_others(
            context.target, context.request, context.flow, tried, now
        )

    def start_attempt(self, context: Search, front_end: FrontEnd, now: float) -> bool:
        """Send to ``front_end`` or start connecting; False when neither can be."""
        transport, host, port = front_end.transport, front_end.host, front_end.port
        listener = self.flows.listener_for(transport, host, context.flow.listener)
        context.is_reused = False
        if listener is None:
            context.gave_up("unreachable", f"no {transport} listener")
            return False
        if transport == "udp":
            flow = self.flows.udp(listener.outlet, host, port)
            self.forward(context, flow, now)
            return True
        stream = self.flows.stream(transport, host, port)
        is_at_sibling = False
        if stream is None and self.flows.elsewhere is not None:
            stream = self._at_a_sibling(context, front_end)
            is_at_sibling = True
        # A connection that has just been made is in the table before those who wait
        # for it are told: nobody may overtake them.
        if (
            stream is not None
            and stream.is_open
            and front_end.connection_key not in self.parked
            and (
                context.is_in_dialog
                or transport == "tcp"
                or is_at_sibling
                or front_end.server_name in stream.peer_names
            )
        ):
            context.is_reused = True
            self.forward(context, stream, now)
        else:
            self._connect(context, front_end, listener, now)
        return True

    def _at_a_sibling(self, context: Search, front_end: FrontEnd) -> Flow | None:
        """A client's own connection, when another worker accepted it."""
        elsewhere = self.flows.elsewhere
        if elsewhere is None or context.target.rule not in _TOWARDS_CLIENTS:
            return None
        return elsewhere.by_address(*front_end.key)

    def _connect(
        self,
        context: Search,
        front_end: FrontEnd,
        listener: Listener,
        now: float,
    ) -> None:
        if self._wait(front_end.connection_key, context):
            timeout = self.attempts.connect
            self.out.append(commands.Connect(front_end, listener, timeout))
        context.arm_total(now)

    def forward(self, context: Search, flow: Flow, now: float) -> None:
        """Section 16.6: edit the lines and hand them to a client transaction."""
        request = context.request
        assert request is not None
        target = context.target
        if makes_claims(request):
            self.asserted.judge_request(request, context.flow, target)
        listener = flow.listener
        method = request.method
        branch = self.branches.make(request)
        prefix = flow.via_prefix if flow.reliable else listener.outlet.via_prefix
        own_lines = [prefix + branch]
        note: object = None
        server, token = context.server, context.routes.token
        back = server.flow if server is not None else context.flow
        if token is not None:
            if method in REFRESHES:
                router = self.next_hops.router
                mark_request(router, request, token, context.flow, back)
                note = refresh_of(router, request, context.routes, target.request_uri)
                if method == b"NOTIFY":
                    own_lines += self.record_routes.notified(
                        router,
                        request,
                        token,
                        context.flow,
                        back,
                        flow,
                        context.is_secure,
                    )
        elif method in DIALOG_METHODS:
            note = entry = self.record_routes.entry(
                request,
                back,
                target,
                flow,
                context.front_end,
                context.is_secure,
                context.is_secure and is_sips(context.routes.request_uri),
            )
            own_lines += entry.lines
        if target.routes:
            own_lines += [b"Route: " + route for route in target.routes]
        data = forward_request(request, context.routes, target.request_uri, own_lines)
        if context.flow.first_hop and "ms-keep-alive" in request.index:
            data = without_keep_alive(data)
        if server is None:
            self.out.append(commands.Send(flow, data))
            context.is_finished = True
            context.request = None  # a timer may hold the context for a while
            return
        active = self.transactions.open_client(branch, method, data, flow, context, now)
        active.note = note
        context.active = active
        context.answered = False

    def front_end_failed(
        self, front_end: FrontEnd, reason: str, now: float, is_silent: bool
    ) -> None:
        """Hold it against the front end; ``is_silent`` when it says nothing at all.

        Then those who wait for it as well are told to go on, all of them: it happens
        once in an outage, and each would wait for seconds.
        """
        key = front_end.key
        if self.health.record_failure(key, reason, now, is_silent) and is_silent:
            for transaction in list(self.transactions.clients.values()):
                user = transaction.user
                if user is not None:
                    try:
                        user.peer_silent(transaction, key, now)
                    except Exception as error:
                        self.guard.timer(transaction, "silence", error, now)

    def cancel(
        self,
        transaction: ClientTransaction,
        now: float,
        reasons: Sequence[bytes] = (),
    ) -> None:
        """Send the CANCEL of an INVITE that has had a provisional response.

        ``reasons`` are Reason lines: what the caller's own CANCEL said (RFC 3326
        section 2), or what we know.
        """
        key = transaction.key + b" CANCEL"
        if transaction.data and key not in self.transactions.clients:
            data = cancel(transaction.data, reasons)
            flow = transaction.flow
            self.transactions.open_client(key, b"CANCEL", data, flow, None, now)
            self.timers.start("cancelled", TRANSACTION_TIMEOUT, transaction, now)

    # -- what ends a search ------------------------------------------------------

    def unresolved(self, context: Search, now: float) -> Refusal:
        """The answer when the name of a target led nowhere."""
        lookup = context.target.lookup
        assert lookup is not None
        cause, reason = self.next_hops.why_not(lookup, now)
        return self.failure(context, cause, reason)

    def is_dns_failing(self, context: Search, now: float) -> bool:
        """True when the name of a target may exist: nobody could say."""
        lookup = context.target.lookup
        return lookup is not None and self.next_hops.is_unknown(lookup, now)

    def failure(
        self, context: Search, cause: str, detail: str = "", peer: str = ""
    ) -> Refusal:
        """The answer when nobody could be reached."""
        source = self.settings.source
        return unreached(context.target, context.is_invite, source, cause, detail, peer)

    def log_access(
        self, context: Search, request: Request, status: int, now: float
    ) -> None:
        """Hand out the material of one access line, and of the usage ledger."""
        target = context.target
        if target.endpoint or self.settings.log_access:
            self.out.append(
                commands.LogAccess(
                    request,
                    context.flow,
                    status,
                    now - context.started,
                    target.rule,
                    target.endpoint,
                    target.pool,
                    context.attempts,
                )
            )

    # -- waiting -----------------------------------------------------------------

    def _wait(self, key: object, context: Search) -> bool:
        """Park a context; True when it is the first that waits for ``key``."""
        request = context.request
        if context.server is None and request is not None:
            if self.relayed_bytes + request.size > MOST_RELAYED:
                context.is_finished = True  # nobody is told of an ACK that is lost
                context.request = None
                return False
            self._relayed[context] = request.size
            self.relayed_bytes += request.size
        waiting = self.parked.setdefault(key, [])
        waiting.append(context)
        context.waiting_for = key
        return len(waiting) == 1

    def leave(self, key: object, context: Search) -> None:
        """A context that has failed waits no longer; the next one asks anew."""
        self._no_longer_held(context)
        waiting = self.parked.get(key)
        if waiting is not None and context in waiting:
            waiting.remove(context)
            if not waiting:
                del self.parked[key]

    def _no_longer_held(self, context: Search) -> None:
        if self._relayed:
            self.relayed_bytes -= self._relayed.pop(context, 0)

    def _woken(self, key: object) -> list[Search]:
        woken = [x for x in self.parked.pop(key, ()) if x.waiting_for == key]
        for context in woken:
            context.waiting_for = None
            self._no_longer_held(context)
        return [context for context in woken if not context.is_finished]

    def resolved(self, lookup: Lookup, resolution: Resolution, now: float) -> None:
        """DNS has answered, well or badly: go on with whoever waited."""
        woken = self._woken(lookup)
        try:
            self.next_hops.note(lookup, resolution)
        except Exception as error:
            self.guard.report("resolution.failed", error, repr(lookup).encode())
        for context in woken:
            try:
                context.target_resolved(now, resolution)
            except Exception as error:
                self.guard.search(context, error, now)

    def connected(self, front_end: FrontEnd, now: float) -> None:
        """A connection exists: go on with whoever waited, in order."""
        for context in self._woken(front_end.connection_key):
            context.attempt_started = now
            try:
                if self.start_attempt(context, front_end, now):
                    context.is_reused = False
                else:
                    context.search(now)
            except Exception as error:
                self.guard.search(context, error, now)

    def connect_failed(
        self, front_end: FrontEnd, reason: str, detail: str, now: float
    ) -> None:
        """A connection could not be had: whoever waited tries the next front end."""
        for context in self._woken(front_end.connection_key):
            try:
                context.connect_failed(reason, detail, now)
            except Exception as error:
                self.guard.search(context, error, now)
        self.affinity.connect_failed(front_end, reason)

    def datagram_refused(self, data: bytes, reason: str, now: float) -> bool:
        """ICMP gave a datagram back: its branch names the transaction.

        False when this process did not send it.
        """
        start = data.find(b";branch=" + self.branches.prefix)
        if start < 0:
            return False
        branch = data[start + 8 : data.find(b"\r\n", start)]
        if data.startswith(b"CANCEL "):
            branch += b" CANCEL"
        transaction = self.transactions.clients.get(branch)
        if transaction is not None:
            try:
                transaction.transport_failed(reason, now)
            except Exception as error:
                self.guard.timer(transaction, reason, error, now)
        return True
