"""The sequential search of RFC 3261 section 16.6: one candidate after the other.

A step goes on until a request is on its way, a name or a connection has to be awaited,
or nothing is left, and says which.  ``response_context.py`` decides when to go on, and
what an answer means.
"""

from typing import Final

from proxy.core.forwarding.answer import Answer
from proxy.core.forwarding.attempt import Attempt, Searcher
from proxy.core.forwarding.candidates import Candidates
from proxy.core.forwarding.forwarder import Forwarder
from proxy.core.routing.secure import not_secure
from proxy.core.routing.target import Target
from proxy.pools.front_end import Resolution

SENT: Final = 1
"""The request is on its way."""
WAITS: Final = 2
"""DNS or a connection must be awaited first."""
NOTHING_LEFT: Final = 3
"""No candidate can be tried any more."""

ASK_DNS_AFTER: Final = 1.0
"""Seconds from a failure of DNS to the next question, within the budget."""


class Search:
    """Goes through the candidates; each method returns SENT, WAITS or NOTHING_LEFT.

    ``user`` is the response context, which waits for names and connections and gets the
    answers.  It is an argument and not an attribute: the two would form a cycle, and
    the garbage collector is off while calls run (decision 100).
    """

    __slots__ = ("_answer", "_attempt", "_candidates", "_forwarder", "started")

    def __init__(
        self,
        forwarder: Forwarder,
        candidates: Candidates,
        attempt: Attempt,
        answer: Answer,
        now: float,
    ) -> None:
        self._forwarder = forwarder
        self._candidates = candidates
        self._attempt = attempt
        self._answer = answer
        self.started = now

    def time_left(self, now: float) -> float:
        """Seconds of the budget that are left for all attempts together."""
        return self.started + self._forwarder.attempts.total - now

    def go_on(self, user: Searcher, now: float) -> int:
        """Try what is left."""
        candidates = self._candidates
        while self.time_left(now) > 0:
            front_end = candidates.next(now)
            if front_end is not None:
                self._attempt.begin(front_end, now)
                if self.start(user, now):
                    return WAITS if user.waiting_for is not None else SENT
                continue
            target = candidates.next_target()
            if target is None:
                break
            progress = self._open(user, target, now)
            if progress != NOTHING_LEFT:
                return progress
        return NOTHING_LEFT

    def start(self, user: Searcher, now: float) -> bool:
        """Send to the front end of the attempt, or wait for a connection to it; False
        when neither is possible."""
        problem = self._attempt.start(user, self._answer.server, now)
        if problem:
            self.gave_up("unreachable", problem)
        return not problem

    def _open(self, user: Searcher, target: Target, now: float) -> int:
        """Turn to a target.  NOTHING_LEFT means that nothing has been sent: its front
        ends come next, or it has none."""
        candidates, attempt = self._candidates, self._attempt
        if candidates.is_secure and not candidates.can_be_secure():
            candidates.drop_front_ends()
            self._answer.failure = not_secure(self._forwarder.settings.source)
            return NOTHING_LEFT
        flow = target.flow
        if flow is None:
            return self._find_front_ends(user, now)
        attempt.begin(None, now)
        if not flow.is_open:
            self.gave_up("flow gone")
            return NOTHING_LEFT
        attempt.send(user, self._answer.server, flow, now)
        return SENT

    def _find_front_ends(
        self, user: Searcher, now: float, answer: Resolution | None = None
    ) -> int:
        """Look up the front ends of the target; NOTHING_LEFT when they are known."""
        candidates, forwarder = self._candidates, self._forwarder
        lookup = candidates.target.lookup
        assert lookup is not None
        found = candidates.find(now, answer)
        if found is None:
            if self._attempt.wait(user, self._answer.server, lookup):
                forwarder.resolve(lookup)
            return WAITS if user.waiting_for is not None else SENT
        if not found and not candidates.fall_back():
            if self._may_ask_again(now) and forwarder.next_hops.is_unknown(lookup, now):
                # DNS itself has failed, perhaps only for a moment.  A legacy client
                # that is refused now offers no chat until it signs in again.
                forwarder.timers.start("dns", ASK_DNS_AFTER, user, now)
                return WAITS
            cause, reason = forwarder.next_hops.why_not(candidates.target, now)
            self._answer.failure = self._answer.failure_of(cause, reason)
        return NOTHING_LEFT

    def _may_ask_again(self, now: float) -> bool:
        """Whether to wait a second and ask DNS once more: there is no other target, and
        the request begins something."""
        return (
            self._answer.server is not None
            and not self._candidates.is_in_dialog
            and not self._candidates.has_more_targets
            and self.time_left(now) > ASK_DNS_AFTER
        )

    def resolved(
        self, user: Searcher, now: float, answer: Resolution | None = None
    ) -> int:
        """DNS has answered, well or badly, or it is time to ask again."""
        progress = self._find_front_ends(user, now, answer)
        return self.go_on(user, now) if progress == NOTHING_LEFT else progress

    def gave_up(self, cause: str, detail: str = "") -> None:
        """The running attempt has failed."""
        self._answer.gave_up(cause, detail, self._attempt.address)
