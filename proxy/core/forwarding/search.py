"""One request's search for somebody who answers (RFC 3261 section 16.6).

Targets and front ends are tried one after the other inside one budget.  What comes
back, and when the search ends, is ``response_context.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.core.first_hop.first_hop import asks_for_keep_alive
from proxy.core.routing.secure import must_be_secure, not_secure
from proxy.core.validation import SILENT, Refusal
from proxy.sip.flow import Flow
from proxy.sip.message import Request, Response
from proxy.transaction.client import AnyResponse, ClientTransaction
from proxy.transaction.server import ServerTransaction

if TYPE_CHECKING:
    from proxy.core.forwarding.forwarder import Forwarder
    from proxy.core.routing.routes import RouteSet
    from proxy.core.routing.target import Target
    from proxy.pools.front_end import FrontEnd, Resolution

ASK_DNS_AFTER: Final = 1.0
"""Seconds from a failure of DNS to the next question, inside the budget."""


class Search:
    """One request on its way; ``server`` is None for ACK and BENOTIFY, which nobody
    answers.

    ``attempts`` are (front end, outcome, seconds), kept for requests outside dialogs.
    ``front_ends`` are those of the current target, ``next_front_end`` the first of
    them that has not been tried.  ``is_refused`` while none of them can have had the
    request; ``is_reused`` when the running attempt went over a connection that was
    there before.  ``is_secure`` when the current target must be reached over TLS, for
    somebody said ``sips:``.  ``keeps_alive`` when the client agrees on keep-alives
    with us.
    """

    __slots__ = (
        "active",
        "answered",
        "attempt_started",
        "attempts",
        "best",
        "challenges",
        "failure",
        "flow",
        "forwarder",
        "front_end",
        "front_ends",
        "is_armed",
        "is_cancelled",
        "is_finished",
        "is_refused",
        "is_reused",
        "is_secure",
        "keeps_alive",
        "last_provisional",
        "next_front_end",
        "reasons",
        "request",
        "routes",
        "server",
        "started",
        "target",
        "targets",
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
        self.request: Request | None = request
        self.routes = routes
        self.flow = flow
        self.server = server
        self.targets = targets
        self.target: Target = targets[0]
        self.front_ends: Sequence[FrontEnd] = ()
        self.next_front_end = 0
        self.front_end: FrontEnd | None = None
        self.active: ClientTransaction | None = None
        self.best: Response | None = None
        self.failure: Refusal | None = None
        self.attempts: list[tuple[str, str, float]] = []
        self.started = self.attempt_started = self.last_provisional = now
        self.answered = self.is_armed = self.is_cancelled = self.is_finished = False
        self.is_refused = self.is_reused = self.is_secure = False
        self.keeps_alive = flow.first_hop and asks_for_keep_alive(request, flow)
        self.waiting_for: object = None
        self.reasons: Sequence[bytes] = ()
        self.challenges: Sequence[Response] = ()

    def __repr__(self) -> str:
        request = self.request
        return f"<{type(self).__name__} {request!r}>"

    @property
    def is_invite(self) -> bool:
        """True for INVITE, the only method with provisional responses and CANCEL."""
        return self.server is not None and self.server.method == b"INVITE"

    @property
    def is_in_dialog(self) -> bool:
        """True when a Route token of ours, or a To tag, placed it in a dialog."""
        return self.target.rule in ("dialog", "client")

    @property
    def is_sign_in(self) -> bool:
        """True for a REGISTER that a client of a first-hop listener sends through."""
        return (
            self.flow.first_hop
            and self.target.rule == "default"
            and self.server is not None
            and self.server.method == b"REGISTER"
        )

    def search(self, now: float) -> None:
        """Try what is left until something has been sent or nothing is left."""
        while not self.is_finished:
            if self.is_cancelled or now - self.started >= self.forwarder.attempts.total:
                break
            if self.next_front_end < len(self.front_ends):
                if self.forwarder.health.ejected:
                    self._heed_ejections(now)
                front_end = self.front_end = self.front_ends[self.next_front_end]
                self.next_front_end += 1
                self.attempt_started = now
                if self.forwarder.start_attempt(self, front_end, now):
                    return
            elif self.is_refused and self._turn_to_other_transports(now):
                continue
            elif not self.targets:
                break
            elif not self._open_target(self.targets.pop(0), now):
                return
        if not self.is_finished:
            self.finish(now)

    def _heed_ejections(self, now: float) -> None:
        """What has been learned since the order was made, and by those who try now.

        The first choice stays, for the order has thought of that.  A front end whose
        ejection is over is tried by one call at a time.
        """
        health, first = self.forwarder.health, self.next_front_end
        key = self.front_ends[first].key
        if key not in health.ejected:
            return
        if first == 0 or not health.is_ejected(key, now):
            health.try_out(key, now)
            return
        for other in self.front_ends[first + 1 :]:
            if not health.is_ejected(other.key, now):
                left = [f for f in self.front_ends[first:] if f is not other]
                self.front_ends = [*self.front_ends[:first], other, *left]
                health.try_out(other.key, now)
                return

    def _open_target(self, target: Target, now: float) -> bool:
        """Turn to the next target; False when it has been served or must wait."""
        self.target = target
        self.is_secure = must_be_secure(self.routes, target)
        if self.is_secure and not self.forwarder.next_hops.can_be_secure(
            target, self.flow
        ):
            self.front_ends = ()
            self.is_refused = False
            self.failure = not_secure(self.forwarder.settings.source)
            return True
        flow = target.flow
        if flow is None:
            return self.target_resolved(now, search=False)
        self.front_end = None
        self.is_refused = False
        if flow.is_open:
            self.forwarder.forward(self, flow, now)
            return False
        self.gave_up("flow gone")
        return True

    def target_resolved(
        self, now: float, answer: Resolution | None = None, *, search: bool = True
    ) -> bool:
        """Take the front ends of the target; False when DNS must be awaited."""
        found = self.forwarder.front_ends_of(self, now, answer)
        if found is None:
            self.arm_total(now)
            return False
        if not found and not self._turn_to_fallback():
            if self._waits_for_dns(now):
                return False
            self.failure = self.forwarder.unresolved(self, now)
        self.front_ends = found
        self.next_front_end = 0
        self.is_refused = bool(found)
        if search:
            self.search(now)
        return True

    def _waits_for_dns(self, now: float) -> bool:
        """DNS itself is out of order, which may be over in a moment: ask again.

        A legacy client that is refused now does without chat until it signs in again.
        """
        if (
            self.targets
            or self.server is None
            or self.is_in_dialog
            or now - self.started + ASK_DNS_AFTER >= self.forwarder.attempts.total
            or not self.forwarder.is_dns_failing(self, now)
        ):
            return False
        self.forwarder.timers.start("dns", ASK_DNS_AFTER, self, now)
        self.arm_total(now)
        return True

    def _turn_to_other_transports(self, now: float) -> bool:
        """Nobody could be reached over the transport chosen: is there another?"""
        self.is_refused = False
        found = self.forwarder.other_front_ends(self, now)
        self.front_ends = found
        self.next_front_end = 0
        return bool(found) or self._turn_to_fallback()

    def _turn_to_fallback(self) -> bool:
        """Nobody has had the request: is there another way to the same one?"""
        fallback = self.target.fallback
        if fallback is None:
            return False
        self.targets.insert(0, fallback)
        return True

    @property
    def has_alternatives(self) -> bool:
        """True while another front end or target is left to try."""
        return self.next_front_end < len(self.front_ends) or bool(self.targets)

    def give_up_others(self) -> None:
        """Try nothing after the running attempt."""
        self.front_ends = ()
        self.is_refused = False
        self.targets.clear()

    def gave_up(self, cause: str, detail: str = "") -> None:
        """One attempt came to nothing; ``cause`` is a key of replies.DIAGNOSTICS."""
        front_end = self.front_end
        who = ""
        if front_end is not None:
            host = f"[{front_end.host}]" if ":" in front_end.host else front_end.host
            name = f"{front_end.name} " if front_end.name != front_end.host else ""
            who = f"{name}{host}:{front_end.port}"
        if self.failure is None or self.failure.status != SILENT:
            self.failure = self.forwarder.failure(self, cause, detail, who)

    def record(self, outcome: str, now: float) -> None:
        """Note how the running attempt ended."""
        if not self.is_in_dialog:
            front_end = self.front_end
            name = (front_end.name or front_end.host) if front_end else "flow"
            self.attempts.append((name, outcome, now - self.attempt_started))

    def connect_failed(self, reason: str, detail: str, now: float) -> None:
        """The connection for the current attempt could not be had."""
        if self.is_finished:
            return
        self.record(reason, now)
        self.health_failure(reason, now, reason == "connect-timeout")
        if reason == "tls":
            self.is_refused = False  # whoever spoils a handshake gets no plain text
        self.gave_up("tls" if reason == "tls" else "unreachable", detail or reason)
        self.search(now)

    def health_success(self, now: float) -> None:
        """The front end of the running attempt works."""
        front_end = self.front_end
        if front_end is None:
            return
        health = self.forwarder.health
        if health.suspects or health.doubts:
            health.record_success(front_end.key, now)
        if self.flow.first_hop and self.target.rule == "default":
            self.forwarder.affinity.pin(self.flow, front_end)

    def health_failure(self, reason: str, now: float, is_silent: bool = False) -> None:
        """The front end of the running attempt does not."""
        front_end = self.front_end
        if front_end is not None:
            self.forwarder.front_end_failed(front_end, reason, now, is_silent)

    # -- what a response context adds --------------------------------------------

    def arm_total(self, now: float) -> None:
        """Start what bounds the whole search."""
        raise NotImplementedError

    def finish(self, now: float) -> None:
        """Nothing is left to try."""
        raise NotImplementedError

    def response_received(
        self, transaction: ClientTransaction, response: AnyResponse, now: float
    ) -> None:
        """ClientUser."""
        raise NotImplementedError

    def transaction_failed(
        self, transaction: ClientTransaction, reason: str, now: float
    ) -> None:
        """ClientUser."""
        raise NotImplementedError

    def still_waiting(self, transaction: ClientTransaction, now: float) -> None:
        """ClientUser."""
        raise NotImplementedError

    def peer_silent(
        self, transaction: ClientTransaction, key: tuple[str, str, int], now: float
    ) -> None:
        """ClientUser."""
        raise NotImplementedError

    def timer_fired(self, name: str, now: float) -> None:
        """TimerOwner."""
        raise NotImplementedError
