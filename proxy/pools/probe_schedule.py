"""Which front ends are probed when, and what an answer or silence changes.

Only a front end that has failed a call is probed, and only until it has answered twice
in a row.  A probe knows less than a call (decision 17): it may end an ejection early or
prolong it, but failures of calls count until a call succeeds.  A front end that was
ejected for silence comes back when it answers OPTIONS, and no call tries it before.
Only after minutes do we assume that it ignores OPTIONS.

This module is pure: time is an argument.  `prober.py` is the probe itself, and
`server/probes.py` the loop.
"""

import random
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from proxy.pools.health import FAILURES_TO_EJECT, MAX_KNOWN, Key, Suspect

if TYPE_CHECKING:
    from proxy.pools.prober import Probe, Reading

ANSWERS_NEEDED: Final = 2
CONFIRM_SECONDS: Final = 2.0
"""From a first answer to the probe that confirms it."""
JITTER: Final = 0.2
MAX_RUNNING: Final = 32
DEAF_AFTER: Final = 300.0
"""Seconds of silence to OPTIONS and calls after which a call tries it all the same."""
BACK: Final = "answers OPTIONS again"
UNPROVEN: Final = "takes connections again"
_NEVER: Final = float("inf")


class Book(Protocol):
    """What probes read of a ``HealthBook``, and what they may have it write."""

    @property
    def suspects(self) -> Mapping[Key, Suspect]: ...
    def is_ejected(self, key: Key, now: float) -> bool: ...
    def record_failure(self, key: Key, reason: str, now: float) -> object: ...
    def prolong(self, key: Key, reason: str, until: float, now: float) -> None: ...
    def end_ejection(self, key: Key, reason: str, now: float) -> None: ...


class Outcome(NamedTuple):
    """What one probe says.

    ``is_certain`` is set for a failure that a call would have met as well: no
    connection, no TLS.  Silence is not certain, because some servers never answer
    OPTIONS.
    """

    is_alive: bool
    is_certain: bool
    reason: str


def outcome_of(result: "Probe", failover_codes: Collection[int]) -> Outcome:
    """Judge one probe as a call would: a failover code is a failure."""
    for reading in (result.connect, result.tls):
        if reading is not None and reading.problem:
            return Outcome(False, True, _word(reading))
    options = result.options
    if options is None or options.problem:
        reason = "" if options is None else _word(options)
        # No OPTIONS got through TLS 1.3 to a peer that does not take our certificate.
        is_ours = options is not None and options.problem in ("ours", "handshake")
        return Outcome(False, is_ours, reason)
    return Outcome(options.status not in failover_codes, False, str(options.status))


def best_of(outcomes: Iterable[Outcome]) -> Outcome:
    """The best outcome of several ways to, or names of, one front end: one that works
    is enough."""
    return min(outcomes, key=lambda each: (not each.is_alive, each.is_certain))


def _word(reading: "Reading") -> str:
    """The words that failed attempts have in access lines."""
    if reading.problem in ("chain", "name", "handshake", "ours"):
        return "tls"
    return reading.problem


class _Plan:
    """Where one suspect stands.

    ``settled`` is the instant of the failure after which it answered twice; it is not
    probed again until a later failure.  ``own_until`` is when the ejection would have
    ended without us, None while we have not prolonged it.  ``misled`` is set when a
    call failed after we had ended the ejection.  ``silent_since`` is when it stopped
    answering OPTIONS.
    """

    __slots__ = (
        "answers",
        "at",
        "is_back",
        "misled",
        "own_until",
        "settled",
        "silent_since",
    )

    def __init__(self) -> None:
        self.at = 0.0
        self.answers = 0
        self.settled: float | None = None
        self.own_until: float | None = None
        self.silent_since: float | None = None
        self.is_back = self.misled = False


class Probing:
    """Decides over the suspects of one book; ``interval`` is in seconds."""

    __slots__ = (
        "_book",
        "_deaf",
        "_interval",
        "_plans",
        "_proven",
        "_rng",
        "_running",
    )

    def __init__(
        self, book: Book, interval: float, rng: random.Random | None = None
    ) -> None:
        self._book = book
        self._interval = interval
        self._rng = rng or random.Random()
        self._plans: dict[Key, _Plan] = {}
        self._proven: set[Key] = set()
        self._deaf: set[Key] = set()
        self._running: set[Key] = set()

    def waiting(self, now: float) -> list[Key]:
        """The suspects that are due for a probe."""
        suspects = self._book.suspects
        for key in [key for key in self._plans if key not in suspects]:
            if self._plans.pop(key).silent_since is not None:
                self._call_deaf(key)
        found: list[Key] = []
        for key, suspect in suspects.items():
            plan = self._plans.setdefault(key, _Plan())
            if plan.settled is not None:
                if suspect.last_failure <= plan.settled:
                    continue
                plan.settled, plan.answers, plan.own_until = None, 0, None
                plan.misled |= plan.is_back
            if now >= plan.at and key not in self._running:
                found.append(key)
        return found

    def next_in(self, key: Key, now: float) -> float | None:
        """Seconds until the next probe of a suspect; None when there is none to come.

        0 while one is under way, or is about to begin.
        """
        suspect = self._book.suspects.get(key)
        if suspect is None:
            return None
        plan = self._plans.get(key)
        if plan is None or key in self._running:
            return 0.0
        if plan.settled is not None and suspect.last_failure <= plan.settled:
            return None
        return max(0.0, plan.at - now)

    def due(self, known: Collection[Key], now: float) -> list[Key]:
        """The front ends to probe now; ``known`` are those that can be probed.

        Each is awaited until ``record`` or ``give_up``.
        """
        found: list[Key] = []
        for key in self.waiting(now):
            if key not in known:  # it has left DNS, which may change
                self._plans[key].at = now + self._interval
            elif len(self._running) < MAX_RUNNING:
                self._running.add(key)
                found.append(key)
        return found

    def give_up(self, key: Key, now: float) -> None:
        """The probe failed for reasons of our own."""
        self._running.discard(key)
        plan = self._plans.get(key)
        if plan is not None:
            plan.at = now + self._wait()

    def record(self, key: Key, outcome: Outcome, patience: float, now: float) -> None:
        """Take the outcome of a probe that ``due`` asked for.

        ``patience`` is the longest that the next one can take, in seconds.
        """
        self._running.discard(key)
        if outcome.is_alive:
            self._prove(key)
        plan, suspect = self._plans.get(key), self._book.suspects.get(key)
        if plan is None or suspect is None:
            return  # a call was answered meanwhile, which says more
        if outcome.is_alive:
            self._answered(key, plan, suspect.last_failure, now)
            return
        plan.answers = 0
        plan.at = now + self._wait()
        if not outcome.is_certain and plan.silent_since is None:
            plan.silent_since = now
        if not outcome.is_certain and self._may_be_deaf(key, plan, now):
            # It may ignore OPTIONS, so only calls can judge it.
            if plan.own_until is not None and now >= plan.own_until:
                plan.own_until = None
                self._book.end_ejection(key, UNPROVEN, now)
        elif suspect.failures < FAILURES_TO_EJECT:
            self._book.record_failure(key, outcome.reason, now)
        else:
            if plan.own_until is None:
                plan.own_until = suspect.until
            # Until the next probe has certainly ended.
            until = now + self._interval * (1 + JITTER) + patience + 1.0
            self._book.prolong(key, outcome.reason, until, now)

    def _may_be_deaf(self, key: Key, plan: _Plan, now: float) -> bool:
        """True when silence to OPTIONS proves little, because some servers ignore it.

        A front end that is silent to calls as well is more likely dead, and a call that
        tried it would wait for seconds.
        """
        if key in self._proven:
            return False
        suspect = self._book.suspects[key]
        if not suspect.is_silent or key in self._deaf or plan.silent_since is None:
            return True
        # The next call decides; when it fails, everything begins again.
        return now >= max(plan.silent_since, suspect.last_failure) + DEAF_AFTER

    def _call_deaf(self, key: Key) -> None:
        """A front end that said nothing to OPTIONS has answered a call."""
        if key not in self._proven:
            if len(self._deaf) >= MAX_KNOWN:
                self._deaf.clear()
            self._deaf.add(key)

    def _answered(self, key: Key, plan: _Plan, failed_at: float, now: float) -> None:
        plan.answers += 1
        plan.silent_since = None
        if plan.answers < ANSWERS_NEEDED:
            plan.at = now + min(self._interval, CONFIRM_SECONDS)
            return
        plan.settled, plan.at = failed_at, now
        if self._book.is_ejected(key, now) and not plan.misled:
            plan.is_back = True
            self._book.end_ejection(key, BACK, now)

    def _prove(self, key: Key) -> None:
        if len(self._proven) >= MAX_KNOWN:
            self._proven.clear()  # addresses come and go with DNS
        self._proven.add(key)
        self._deaf.discard(key)

    def _wait(self) -> float:
        return self._interval * (1 + JITTER * (2 * self._rng.random() - 1))
