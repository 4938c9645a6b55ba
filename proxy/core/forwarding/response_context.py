"""The response context of RFC 3261 section 16.7: what goes back, and when.

It owns the server transaction and goes on with the search until there is an answer.
There is no parallel forking: a legacy client drops a second 2xx.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proxy.core.answers.replies import refuse, reply
from proxy.core.dialogs.record_route import hide, returned
from proxy.core.first_hop.first_hop import with_keep_alive
from proxy.core.forwarding.best_response import (
    CHALLENGES,
    is_better,
    replacement,
    with_challenges,
)
from proxy.core.forwarding.late_success import LateSuccess, forward_success
from proxy.core.forwarding.search import Search
from proxy.core.validation import Refusal
from proxy.sip.message import Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction
from proxy.transaction.timers import T1, TIMER_C

COMPLETED_ELSEWHERE: Final = (b'Reason: SIP;cause=200;text="Call completed elsewhere"',)
_RELAYED = frozenset({"dialog", "client", "contact", "default"})
_CLIENTS = frozenset({"client", "contact", "binding"})
_NOT_ARRIVED = frozenset({"refused", "unreachable", "not-permitted", "too-large"})
_UNHEARD = frozenset({"calling", "trying"})
"""States of a client transaction to which nothing has come back."""
_PROOF = T1 - 0.01
"""Seconds for which a front end must have answered nobody to be called silent."""
TRYING_AFTER = 3.5
"""RFC 4320 section 4.1: a non-INVITE request may get its 100 once Timer E is at T2."""


class ResponseContext(Search):
    """A search and the responses to it."""

    __slots__ = ()

    # -- ClientUser --------------------------------------------------------------

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """Section 16.7: choose what is forwarded at once, kept, or ends the search."""
        status = response.status
        if isinstance(response, Response) and status >= 300:
            if transaction is self.active and not self.is_finished:
                hide(transaction, response)
                self._failure_response(response, now)
        elif status >= 200:
            if not self.is_finished:
                self._success(transaction, response, now)
            elif self.server is not None and self.is_invite:
                forward_success(self.server, transaction, response, now)
        elif transaction is self.active and not self.is_finished:
            self._provisional(transaction, response, now)
        elif transaction.method == b"INVITE":
            # Given up before it said anything: it must not ring for ever.
            self.forwarder.cancel(transaction, now, self._why())

    def _provisional(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        status = response.status
        self.is_reused = False  # somebody is there
        if self.forwarder.health.doubts and self.front_end is not None:
            self.forwarder.health.heard(self.front_end.key)
        # A pool that says 100 and then nothing has not answered; a next hop that we
        # only relay to has taken over with it.
        if status > 100 or self.target.rule in _RELAYED:
            self.answered = True
        if status > 100 and self.is_invite:
            self.last_provisional = now
            assert self.server is not None
            self.server.respond(status, returned(transaction, response), now)
        if self.is_cancelled:
            self.forwarder.cancel(transaction, now, self._why())

    def _why(self) -> Sequence[bytes]:
        """The Reason of a CANCEL: the client's, or that somebody else has answered.

        Without the latter a telephone that rang shows a missed call (RFC 3326).
        """
        if self.is_cancelled:
            return self.reasons
        server = self.server
        if server is not None and 200 <= server.status < 300:
            return COMPLETED_ELSEWHERE
        return ()

    def _success(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """A 2xx ends the search, even one from an attempt given up as too slow."""
        active = self.active
        if transaction is active:
            self.record(str(response.status), now)
            self.health_success(now)
        elif active is not None:
            if self.is_invite and active.state == "proceeding":
                self.forwarder.cancel(active, now, COMPLETED_ELSEWHERE)
            active.give_up()
            self.active = None  # it stays ours: should it ring yet, it is cancelled
        data = returned(transaction, response)
        if self.keeps_alive:
            data = with_keep_alive(data)
        self._respond(response.status, data, now)

    def _failure_response(self, response: Response, now: float) -> None:
        status = response.status
        self.record(str(status), now)
        self.active = None
        self.is_refused = False
        if status in self.forwarder.attempts.failover_codes:
            # The box answers but its service does not: as good as dead.
            self.health_failure(str(status), now)
        else:
            self.health_success(now)
            self.front_ends = ()
        if status in CHALLENGES:
            self.challenges = (*self.challenges, response)
        if self.best is None or is_better(response, self.best):
            self.best = response
        if status >= 600:
            self.targets.clear()
        self.search(now)

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """Timeout or transport error: section 16.9 treats both as a dead next hop."""
        if transaction is not self.active or self.is_finished:
            return
        self.active = None
        self.record(reason, now)
        if reason == "gone" and self.target.fallback is not None:
            self.targets.insert(0, self.target.fallback)
        elif self._can_try_again(reason, now):
            return
        if reason not in _NOT_ARRIVED:
            self.is_refused = False
        self.health_failure(reason, now)
        self.gave_up("unreachable", reason)
        self.search(now)

    def _can_try_again(self, reason: str, now: float) -> bool:
        """Turn to the same front end once more, over a new connection.

        One that was open before may have been closed, for idleness or a restart, just
        when we wrote on it; that says nothing about the front end.
        """
        front_end = self.front_end
        if (
            not self.is_reused
            or front_end is None
            or self.is_cancelled
            or reason == "timeout"
            or now - self.started >= self.forwarder.attempts.total
        ):
            return False
        self.attempt_started = now
        return self.forwarder.start_attempt(self, front_end, now)

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """T1 without a final response: only now are deadlines worth their price."""
        if transaction is not self.active or self.is_finished:
            return
        if self._is_unheard(transaction) and self.front_end is not None:
            self.forwarder.health.doubt(self.front_end.key, now)
        if not self.answered and self.has_alternatives:
            self._await_answer(transaction, now)
        self.arm_total(now)

    def _is_unheard(self, transaction: ClientTransaction) -> bool:
        """Nothing came back, from one that has to say something at once.

        A client's phone may sleep; a server says 100 within 200 ms (section 17.2.1).
        """
        return transaction.state in _UNHEARD and self.target.rule not in _CLIENTS

    def _await_answer(self, transaction: ClientTransaction, now: float) -> None:
        """Have the running attempt end when the front end is silent for too long."""
        remaining = self.attempt_started + self._patience(transaction) - now
        self.forwarder.timers.start("first answer", max(remaining, 0.0), self, now)

    def _patience(self, transaction: ClientTransaction) -> float:
        attempts = self.forwarder.attempts
        if self._is_unheard(transaction):
            return min(attempts.silence, attempts.first_answer)
        return attempts.first_answer

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """Another call has found that nobody is there: do not wait for it as well."""
        if (
            transaction is self.active
            and not self.is_finished
            and self.front_end is not None
            and self.front_end.key == key
            and self._is_unheard(transaction)
            and self.has_alternatives
        ):
            self._stop_attempt("timeout", now)

    def arm_total(self, now: float) -> None:
        """Start what bounds the whole search: its budget, Timer C, and RFC 4320's
        100 for a non-INVITE that takes long."""
        if self.is_armed or self.is_finished:
            return
        self.is_armed = True
        timers = self.forwarder.timers
        elapsed = now - self.started
        timers.start(
            "total", max(self.forwarder.attempts.total - elapsed, 0.0), self, now
        )
        if self.is_invite:
            timers.start("timer C", TIMER_C, self, now)
        elif self.server is not None:
            timers.start("trying", max(TRYING_AFTER - elapsed, 0.0), self, now)

    # -- TimerOwner --------------------------------------------------------------

    def timer_fired(self, name: str, now: float) -> None:
        """A deadline of the search has come."""
        if self.is_finished:
            return
        if name == "trying":
            self._send_trying(now)
        elif name == "timer C":
            self._timer_c(now)
        elif name == "total":
            if not self.answered:
                self.give_up_others()
                self._stop_attempt("timeout", now)
        elif name == "cancel":
            self._respond(487, b"", now)
        elif name == "dns":
            self.target_resolved(now)
        elif self.active is not None and not self.answered and self.has_alternatives:
            due = self.attempt_started + self._patience(self.active)
            if now + 1e-6 >= due:
                self._stop_attempt("timeout", now)
            elif now + 1e-6 >= self.attempt_started + self.forwarder.attempts.silence:
                self._await_answer(self.active, now)  # 100 came: that is something

    def _timer_c(self, now: float) -> None:
        """Section 16.8: it rang for three minutes, counted from its last sign."""
        remaining = self.last_provisional + TIMER_C - now
        if remaining > 1e-6:
            self.forwarder.timers.start("timer C", remaining, self, now)
            return
        active, self.active = self.active, None
        if active is not None:
            self.record("timer C", now)
            active.give_up()
            if active.state == "proceeding":
                self.forwarder.cancel(active, now)
        self.give_up_others()
        self.failure = Refusal(408)
        self.finish(now)

    def _send_trying(self, now: float) -> None:
        if self.server is not None and self.server.state == "trying":
            assert self.request is not None
            self.server.respond(100, reply(self.request, 100), now)

    def _stop_attempt(self, reason: str, now: float) -> None:
        """Leave the running attempt behind and go on to the next."""
        transaction = self.active
        self.active = None
        if transaction is not None:
            self.record(reason, now)
            is_silent = self._is_unheard(transaction) and self._answers_nobody(now)
            self.health_failure(reason, now, is_silent)
            transaction.give_up()
            self.is_refused = False
            if self.is_invite and transaction.state == "proceeding":
                self.forwarder.cancel(transaction, now)
        elif self.waiting_for is not None:
            self.record(reason, now)
        self.waiting_for = None
        self.gave_up("unreachable", reason)
        self.search(now)

    def _answers_nobody(self, now: float) -> bool:
        """It was not this request alone that the front end did not answer."""
        front_end = self.front_end
        return (
            front_end is not None
            and self.forwarder.health.silent_for(front_end.key, now) >= _PROOF
        )

    # -- ServerUser --------------------------------------------------------------

    def request_abandoned(self, transaction: ServerTransaction, now: float) -> None:
        """The client is gone; nobody wants the answer."""
        self.cancel(now)

    def cancel(self, now: float, reasons: Sequence[bytes] = ()) -> None:
        """The client sent CANCEL (section 16.10): stop searching, cancel what runs."""
        if self.is_finished or self.is_cancelled:
            return
        self.is_cancelled = True
        self.reasons = reasons
        self.give_up_others()
        active = self.active
        if active is None:
            self._respond(487, b"", now)
            return
        self.forwarder.timers.start("cancel", 64 * T1, self, now)
        if active.state == "proceeding":
            self.forwarder.cancel(active, now, reasons)

    # -- the end -----------------------------------------------------------------

    def finish(self, now: float) -> None:
        """Nothing is left to try: send the best response there is (item 6)."""
        best = self.best
        if self.is_cancelled and best is None:
            self._respond(487, b"", now)
        elif best is None:
            failure = self.failure or self.forwarder.failure(self, "unreachable")
            if self.is_sign_in and self.request is not None:
                self.forwarder.affinity.forget_home(self.request.from_aor())
            self._refuse(failure, now)
        elif (instead := replacement(best, self.forwarder.settings.source)) is not None:
            self._refuse(instead, now)
        elif best.status == 301 and self.is_sign_in and self.request is not None:
            first_hop = self.forwarder.first_hop
            data = first_hop.redirected(best, self.request, self.flow)
            self._respond(301, data, now)
        else:
            self._respond(best.status, with_challenges(best, self.challenges), now)

    def _refuse(self, refusal: Refusal, now: float) -> None:
        data = b""
        if self.server is not None and self.request is not None:
            data = refuse(self.request, refusal, self.forwarder.settings.source)
        self._respond(refusal.status, data, now)

    def _respond(self, status: int, data: bytes, now: float) -> None:
        request, server = self.request, self.server
        self.is_finished = True
        self.waiting_for = None
        if server is not None and request is not None:
            if not data:
                source = self.forwarder.settings.source
                data = refuse(request, Refusal(status), source)
            server.respond(status, data, now)
            if not self.is_in_dialog:
                self.forwarder.log_access(self, request, status, now)
        # What has ended is kept for up to 32 s: keep nothing with it.
        self.request = self.best = self.failure = None
        self.challenges = ()
        self.front_ends = ()
        active, self.active = self.active, None
        if server is not None:
            server.user = None
            if active is not None and self.is_invite:
                active.user = LateSuccess(server)
