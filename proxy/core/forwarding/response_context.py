"""The response context of RFC 3261 section 16.7: what is tried, and what goes back.

It decides when to give up the running attempt (``attempt.py``) for the next candidate
(``search.py``, ``candidates.py``), and which response ends the search (``answer.py``).
There is no parallel forking, because a legacy client drops a second 2xx.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from proxy.core.dialogs.record_route import hide, returned
from proxy.core.forwarding.answer import Answer
from proxy.core.forwarding.attempt import Attempt
from proxy.core.forwarding.candidates import Candidates
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.forwarding.late_success import LateSuccess, forward_success
from proxy.core.forwarding.search import NOTHING_LEFT, SENT, WAITS, Search
from proxy.core.routing.route_set import RouteSet
from proxy.core.routing.target import Target
from proxy.core.validation import Refusal
from proxy.pools.front_end import FrontEnd, Resolution
from proxy.sip.flow import Flow
from proxy.sip.message import Request, Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import TIMER_C, TRANSACTION_TIMEOUT

COMPLETED_ELSEWHERE: Final = (b'Reason: SIP;cause=200;text="Call completed elsewhere"',)
"""RFC 3326 section 3.1: without it a telephone that rang shows a missed call."""
_NOT_ARRIVED: Final = frozenset(
    {"refused", "unreachable", "not-permitted", "too-large"}
)
TRYING_AFTER: Final = 3.5
"""RFC 4320 section 4.1: a non-INVITE may get its 100 once timer E has reached T2."""


class ResponseContext:
    """One request on its way; ``server`` is None for ACK and BENOTIFY, which nobody
    answers.

    ``waiting_for`` is the look-up or the connection that must come first.  ``reasons``
    are the Reason lines for our CANCELs: those of the client's CANCEL, or the one which
    says that somebody else has answered.
    """

    __slots__ = (
        "answer",
        "attempt",
        "candidates",
        "forwarder",
        "is_armed",
        "is_cancelled",
        "is_finished",
        "last_provisional",
        "reasons",
        "search",
        "server",
        "waiting_for",
    )

    def __init__(
        self,
        forwarder: Forwarder,
        request: Request,
        routes: RouteSet,
        flow: Flow,
        server: ServerTransaction | None,
        targets: list[Target],
        now: float,
    ) -> None:
        self.forwarder = forwarder
        self.server = server
        self.candidates = Candidates(
            forwarder.next_hops, request, routes, flow, targets
        )
        self.attempt = Attempt(forwarder, self.candidates, now)
        self.answer = Answer(forwarder, self.candidates, server)
        self.search = Search(forwarder, self.candidates, self.attempt, self.answer, now)
        self.last_provisional = now
        self.is_armed = self.is_cancelled = self.is_finished = False
        self.waiting_for: object = None
        self.reasons: Sequence[bytes] = ()

    def __repr__(self) -> str:
        return f"<ResponseContext {self.candidates.request!r}>"

    @property
    def is_invite(self) -> bool:
        """True for INVITE: only its provisional responses go back, and only it can be
        cancelled."""
        return self.server is not None and self.server.method == b"INVITE"

    # -- the search --------------------------------------------------------------

    def go_on(self, now: float) -> None:
        """Try what is left until something has been sent or nothing is left."""
        if not self.is_finished:
            self._went_on(self.search.go_on(self, now), now)

    def _went_on(self, progress: int, now: float) -> None:
        if progress == NOTHING_LEFT:
            self._finish(now)
        elif progress == WAITS:
            self._arm_total(now)
        elif self.server is None:
            # ACK and BENOTIFY have been sent, and get no answer.  A timer may still
            # keep this object, so drop the request.
            self.is_finished = True
            self.candidates.request = None

    # -- Waiter ------------------------------------------------------------------

    def resolved(self, resolution: Resolution, now: float) -> None:
        """DNS has answered, well or badly."""
        self._went_on(self.search.resolved(self, now, resolution), now)

    def connected(self, front_end: FrontEnd, now: float) -> None:
        """The connection to the front end of the running attempt exists."""
        if self._start_again(now):
            self.attempt.is_reused = False
        else:
            self.go_on(now)

    def _start_again(self, now: float) -> bool:
        """Turn to the front end of the running attempt; False when that cannot be."""
        self.attempt.started = now
        if not self.search.start(self, now):
            return False
        self._went_on(WAITS if self.waiting_for is not None else SENT, now)
        return True

    def connect_failed(self, reason: str, detail: str, now: float) -> None:
        """The connection for the running attempt could not be opened."""
        self.attempt.record(reason, now)
        self.attempt.failed(reason, now, reason == "connect-timeout")
        if reason == "tls":
            # Do not fall back to plain text: an attacker can spoil any TLS handshake.
            self.candidates.is_refused = False
        self.search.gave_up(
            "tls" if reason == "tls" else "unreachable", detail or reason
        )
        self.go_on(now)

    # -- ClientUser (section 16.7) -----------------------------------------------

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """Forward a response at once, keep it, or let it end the search."""
        status = response.status
        is_running = transaction is self.attempt.transaction and not self.is_finished
        if isinstance(response, Response) and status >= 300:
            if is_running:
                hide(transaction, response)
                self._failure_response(response, now)
        elif status >= 200:
            if not self.is_finished:
                self._success(transaction, response, now)
            elif self.server is not None and self.is_invite:
                forward_success(self.server, transaction, response, now)
        elif is_running:
            self._provisional(transaction, response, now)
        elif transaction.method == b"INVITE":
            # This attempt was given up before its first response: cancel it now, or it
            # would ring on.
            self.forwarder.cancel(transaction, now, self.reasons)

    def _provisional(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        status = response.status
        self.attempt.heard(status)
        if status > 100 and self.is_invite:
            self.last_provisional = now
            self.answer.provisional(status, returned(transaction, response), now)
        if self.is_cancelled:
            self.forwarder.cancel(transaction, now, self.reasons)

    def _success(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """A 2xx ends the search, even one from an attempt given up as too slow."""
        attempt = self.attempt
        if transaction is attempt.transaction:
            attempt.record(str(response.status), now)
            attempt.succeeded(now)
        else:
            # We stay its user, so that it is cancelled if it rings later.
            attempt.leave(now, COMPLETED_ELSEWHERE)
        if not self.is_cancelled:
            self.reasons = COMPLETED_ELSEWHERE
        data = self.answer.of_success(transaction, response)
        self._respond(response.status, data, now)

    def _failure_response(self, response: Response, now: float) -> None:
        status, attempt, candidates = response.status, self.attempt, self.candidates
        attempt.record(str(status), now)
        attempt.transaction = None
        candidates.is_refused = False
        if status in self.forwarder.attempts.codes_of(candidates.target.pool):
            # The machine answers, but its service has failed.
            attempt.failed(str(status), now)
        else:
            attempt.succeeded(now)
            candidates.drop_front_ends()
        self.answer.add(response)
        if status >= 600:  # section 16.7 item 5: after a 6xx nobody else is asked
            candidates.drop_targets()
        self.go_on(now)

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """A timeout or a transport error: try the next one (sections 16.7 and 16.9)."""
        attempt = self.attempt
        if transaction is not attempt.transaction or self.is_finished:
            return
        attempt.transaction = None
        attempt.record(reason, now)
        if self._has_another_way(reason, now):
            return
        if reason not in _NOT_ARRIVED:
            self.candidates.is_refused = False
        attempt.failed(reason, now)
        self.search.gave_up("unreachable", reason)
        self.go_on(now)

    def _has_another_way(self, reason: str, now: float) -> bool:
        """Try the same server another way: at once (True), or as the next target."""
        if self.is_cancelled:
            return False
        # "gone": the sibling no longer has the connection that we meant to use.
        if reason == "gone" and self.candidates.fall_back():
            return False
        if not self.attempt.may_be_repeated(reason) or self.search.time_left(now) <= 0:
            return False
        return self._start_again(now)

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """T1 has passed without a final response: start the deadlines only now, because
        most requests never need them."""
        attempt = self.attempt
        if transaction is not attempt.transaction or self.is_finished:
            return
        if attempt.is_unheard and attempt.front_end is not None:
            self.forwarder.health.doubt(attempt.front_end.address_key, now)
        if not attempt.answered and self.candidates.has_more:
            self._await_answer(now)
        self._arm_total(now)

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """Another call has found that nobody is there: do not wait for it as well."""
        attempt = self.attempt
        if (
            transaction is attempt.transaction
            and not self.is_finished
            and attempt.is_unheard
            and attempt.is_at(key)
            and self.candidates.has_more
        ):
            self._stop_attempt("timeout", now)

    # -- deadlines ---------------------------------------------------------------

    def _await_answer(self, now: float) -> None:
        """Have the running attempt end when the front end is silent for too long."""
        rest = max(self.attempt.until - now, 0.0)
        self.forwarder.timers.start("first answer", rest, self, now)

    def _arm_total(self, now: float) -> None:
        """Start what bounds the whole search: its budget, Timer C (section 16.6 item
        11), and RFC 4320's 100 for a non-INVITE that takes long."""
        if self.is_armed or self.is_finished:
            return
        self.is_armed = True
        timers = self.forwarder.timers
        timers.start("total", max(self.search.time_left(now), 0.0), self, now)
        if self.is_invite:
            timers.start("timer C", TIMER_C, self, now)
        elif self.server is not None:
            rest = self.search.started + TRYING_AFTER - now
            timers.start("trying", max(rest, 0.0), self, now)

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner: a deadline of the search has come."""
        if self.is_finished:
            return
        if name == "trying":
            self.answer.trying(now)
        elif name == "timer C":
            self._timer_c(now)
        elif name == "total":
            if not self.attempt.answered:
                self.candidates.drop_all()
                self._stop_attempt("timeout", now)
        elif name == "cancel":
            self._respond(487, b"", now)
        elif name == "dns":
            self._went_on(self.search.resolved(self, now), now)
        else:
            self._first_answer_due(now)

    def _first_answer_due(self, now: float) -> None:
        attempt = self.attempt
        if attempt.transaction is None or attempt.answered:
            return
        if not self.candidates.has_more:
            return
        if now + 1e-6 >= attempt.until:
            self._stop_attempt("timeout", now)
        elif now + 1e-6 >= attempt.started + self.forwarder.attempts.silence:
            self._await_answer(now)  # a 100 came: wait for the answer

    def _timer_c(self, now: float) -> None:
        """Section 16.8: it has rung for three minutes since its last response."""
        remaining = self.last_provisional + TIMER_C - now
        if remaining > 1e-6:
            self.forwarder.timers.start("timer C", remaining, self, now)
            return
        if self.attempt.transaction is not None:
            self.attempt.record("timer C", now)
            self.attempt.leave(now)
        self.candidates.drop_all()
        self.answer.failure = Refusal(408)
        self._finish(now)

    def _stop_attempt(self, reason: str, now: float) -> None:
        """Leave the running attempt behind and go on to the next."""
        attempt = self.attempt
        if attempt.transaction is not None:
            is_silent = attempt.is_proven_silent(now)
            attempt.record(reason, now)
            attempt.leave(now)
            attempt.failed(reason, now, is_silent)
            self.candidates.is_refused = False
        elif self.waiting_for is not None:
            attempt.record(reason, now)
        self.waiting_for = None
        self.search.gave_up("unreachable", reason)
        self.go_on(now)

    # -- ServerUser --------------------------------------------------------------

    def request_abandoned(self, transaction: ServerTransaction, now: float) -> None:
        """ServerUser: the client is gone, so stop."""
        self.cancel(now)

    def cancel(self, now: float, reasons: Sequence[bytes] = ()) -> None:
        """The client sent CANCEL (section 16.10): stop searching, cancel what runs."""
        if self.is_finished or self.is_cancelled:
            return
        self.is_cancelled = True
        self.reasons = reasons
        self.candidates.drop_all()
        active = self.attempt.transaction
        if active is None:
            self._respond(487, b"", now)
            return
        # Section 9.1: 64*T1 after a CANCEL the INVITE counts as cancelled.
        self.forwarder.timers.start("cancel", TRANSACTION_TIMEOUT, self, now)
        if self.attempt.is_ringing:
            self.forwarder.cancel(active, now, reasons)

    # -- the end -----------------------------------------------------------------

    def _finish(self, now: float) -> None:
        """Nothing is left to try: send the best response there is."""
        status, data = self.answer.best(self.is_cancelled)
        self._respond(status, data, now)

    def _respond(self, status: int, data: bytes, now: float) -> None:
        server, active = self.server, self.attempt.transaction
        self.is_finished = True
        self.waiting_for = None
        self.answer.give(status, data, self.attempt.history, self.search.started, now)
        # A timer may keep this object for 32 s, so drop what it holds.
        self.candidates.close()
        self.attempt.transaction = None
        if server is not None:
            server.user = None
            if active is not None and self.is_invite:
                active.user = LateSuccess(server)

    def abort(self, now: float) -> None:
        """A bug of ours: stop for good; no timer, answer or connection may go on."""
        waiting_for, self.waiting_for = self.waiting_for, None
        self.is_finished = True
        with suppress(Exception):
            self.candidates.close()
        if self.server is not None:
            self.server.user = None
        with suppress(Exception):
            self.forwarder.waiting.leave(waiting_for, self)
        with suppress(Exception):
            self.attempt.leave(now)
