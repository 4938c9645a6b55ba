"""Carries out what a search asks for (RFC 3261 section 16.6): a question to DNS, a
connection, a request that leaves, a CANCEL.

``response_context.py`` decides who is tried and what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from proxy.core import commands
from proxy.core.dialogs.moves import REFRESHES, mark_request, refresh_of
from proxy.core.dialogs.record_route import DIALOG_METHODS, RecordRoutes
from proxy.core.first_hop.first_hop import FirstHop, without_keep_alive
from proxy.core.forwarding.asserted import Asserted, makes_claims
from proxy.core.forwarding.branches import Branches
from proxy.core.forwarding.candidates import Candidates
from proxy.core.forwarding.line_edits import forward_request
from proxy.core.forwarding.waiting import Waiting
from proxy.core.routing.next_hops import NextHops
from proxy.core.routing.secure import is_sips
from proxy.core.settings import CoreSettings
from proxy.pools.front_end import FrontEnd, Lookup
from proxy.sip.flow import Flow, FlowTable, Listener
from proxy.transaction.client import ClientTransaction, ClientUser
from proxy.transaction.layer import TransactionLayer
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import TRANSACTION_TIMEOUT

_TOWARDS_CLIENTS: Final = frozenset({"dialog", "client", "binding"})


class Forwarder:
    """Sends requests for searches.

    ``failed`` is called when a search raises while it is told that a front end has
    failed another one's request.
    """

    def __init__(
        self,
        settings: CoreSettings,
        flows: FlowTable,
        transactions: TransactionLayer,
        record_routes: RecordRoutes,
        branches: Branches,
        next_hops: NextHops,
        first_hop: FirstHop,
        failed: Callable[[object, str, Exception, float], None],
        out: list[commands.Command],
    ) -> None:
        self.first_hop = first_hop
        self.asserted = Asserted(settings, next_hops, flows.listeners)
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
        self.waiting = Waiting(failed)
        self._failed = failed

    # -- attempts ----------------------------------------------------------------

    def resolve(self, lookup: Lookup) -> None:
        """Ask DNS."""
        self.out.append(commands.Resolve(lookup))

    def connect(self, front_end: FrontEnd, listener: Listener) -> None:
        """Open a connection."""
        timeout = self.attempts.connect
        self.out.append(commands.Connect(front_end, listener, timeout))

    def listener_for(self, front_end: FrontEnd, came_over: Flow) -> Listener | None:
        """The address of ours that requests to ``front_end`` leave from."""
        return self.flows.listener_for(
            front_end.transport, front_end.host, came_over.listener
        )

    def way_to(
        self, front_end: FrontEnd, listener: Listener, candidates: Candidates
    ) -> Flow | None:
        """The flow that leads to ``front_end`` now; None: a connection is needed."""
        transport, host, port = front_end.transport, front_end.host, front_end.port
        if transport == "udp":
            return self.flows.udp(listener.outlet, host, port)
        stream = self.flows.stream(transport, host, port)
        is_at_sibling = False
        elsewhere = self.flows.elsewhere
        if stream is None and elsewhere is not None:
            # A client's own connection, when another worker accepted it.
            if candidates.target.rule in _TOWARDS_CLIENTS:
                stream = elsewhere.by_address(*front_end.key)
            is_at_sibling = True
        # A new connection is in the table before the requests that wait for it are
        # told.  A later request must not overtake them.
        if (
            stream is not None
            and stream.is_open
            and front_end.connection_key not in self.waiting.parked
            and (
                candidates.is_in_dialog
                or transport == "tcp"
                or is_at_sibling
                or front_end.server_name in stream.peer_names
            )
        ):
            return stream
        return None

    def forward(
        self,
        candidates: Candidates,
        front_end: FrontEnd | None,
        server: ServerTransaction | None,
        flow: Flow,
        user: ClientUser,
        now: float,
    ) -> ClientTransaction | None:
        """Section 16.6: edit the lines and hand them to a client transaction.

        Without a server transaction there is no client transaction either: ACK and
        BENOTIFY get no answer.  Returns None for them.
        """
        request, target = candidates.request, candidates.target
        assert request is not None
        if makes_claims(request):
            self.asserted.judge_request(request, candidates.flow, target)
        branch = self.branches.make(request)
        listener = flow.listener
        prefix = flow.via_prefix if flow.reliable else listener.outlet.via_prefix
        own_lines = [prefix + branch]
        back = server.flow if server is not None else candidates.flow
        note = self._record_route(candidates, front_end, back, flow, own_lines)
        if target.routes:
            # RFC 3327 section 5.4: the Path of a binding goes before other Routes.
            own_lines += [b"Route: " + route for route in target.routes]
        routes, request_uri = candidates.routes, target.request_uri
        lines = forward_request(request, routes, request_uri, own_lines)
        if candidates.flow.first_hop and "ms-keep-alive" in request.index:
            lines = without_keep_alive(lines)
        if server is None:
            self.out.append(commands.Send(flow, b"\r\n".join(lines)))
            return None
        active = self.transactions.open_client(
            branch, request.method, lines, flow, user, now
        )
        active.note = note
        return active

    def _record_route(
        self,
        candidates: Candidates,
        front_end: FrontEnd | None,
        back: Flow,
        flow: Flow,
        own_lines: list[bytes],
    ) -> object:
        """Section 16.6 item 4: add our Record-Route, which leads the ends of the dialog
        to each other; returns what the answers will need of it."""
        request, routes, target = (
            candidates.request,
            candidates.routes,
            candidates.target,
        )
        assert request is not None
        method, token, is_secure = request.method, routes.token, candidates.is_secure
        if token is None:
            if method not in DIALOG_METHODS:
                return None
            is_asked = is_secure and is_sips(routes.request_uri)
            entry = self.record_routes.entry(
                request, back, target, flow, front_end, is_secure, is_asked
            )
            own_lines += entry.lines
            return entry
        # Inside a dialog the route set does not change (section 12.2), so there is no
        # Record-Route of ours; a Contact may name a new place (``moves.py``).
        if method not in REFRESHES:
            return None
        router, came_over = self.next_hops.router, candidates.flow
        mark_request(router, request, token, came_over, back)
        if method == b"NOTIFY":
            own_lines += self.record_routes.notified(
                router, request, token, came_over, back, flow, is_secure
            )
        return refresh_of(router, request, routes, target.request_uri)

    def front_end_failed(
        self, front_end: FrontEnd, reason: str, now: float, is_silent: bool
    ) -> None:
        """Count a failure of the front end; ``is_silent`` when it says nothing at all.

        When silence ejects it, all other requests that wait for it go on at once
        (decision 15).  Otherwise each of them would wait for seconds.
        """
        key = front_end.key
        if self.health.failed(front_end, reason, now, is_silent) and is_silent:
            for transaction in list(self.transactions.clients.values()):
                user = transaction.user
                if user is not None:
                    try:
                        user.peer_silent(transaction, key, now)
                    except Exception as error:
                        self._failed(transaction, "silence", error, now)

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
        companions = transaction.companions()
        if companions is not None and key not in self.transactions.clients:
            lines, flow = companions.cancel(reasons), transaction.flow
            self.transactions.open_client(key, b"CANCEL", lines, flow, None, now)
            # Section 9.1: 64*T1 later the INVITE counts as cancelled, answered or not.
            self.timers.start("cancelled", TRANSACTION_TIMEOUT, transaction, now)
