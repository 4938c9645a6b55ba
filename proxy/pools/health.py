"""Health of front ends as requests see it: passive ejection.

A front end with three transport failures in a row is *ejected*: for a while it is tried
last.  One that says nothing at all is ejected at once, because waiting for it costs too
much (decision 15).  After the ejection one call tries it, and the other calls keep away
until that one is answered.  Fewer failures change nothing for other requests.

A failure of the machine (nothing listens, nothing answers) counts for the address.  A
failure of a pool there (the name in the certificate, the status of an answer) counts
for address and pool (decision 131).

This module is pure: time is an argument.  `selection.py` makes the order.
`probe_schedule.py` decides what a probe means, and prolongs and ends ejections here.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from proxy.pools.front_end import FrontEnd

FAILURES_TO_EJECT: Final = 3
EJECTION_SECONDS: Final = 10.0
MAX_EJECTION_SECONDS: Final = 300.0
TRIAL_SECONDS: Final = 3.0
"""Seconds for which all other calls keep away from a front end that one call tries."""
SILENT: Final = "silent"
"""The reason of an ejection for silence."""
HISTORY: Final = 20
MAX_KNOWN: Final = 4_096

Key = tuple[str, str, int, str]
"""Transport, host, port, and the pool; an empty pool stands for the address itself."""
HealthState = Literal["healthy", "suspect", "ejected"]


class Transition(NamedTuple):
    """One change of state, for display; ``at`` is in core seconds."""

    at: float
    state: HealthState
    reason: str


class Health(NamedTuple):
    """How one front end stands; ``since`` and ``until`` are core seconds.

    ``failures`` counts in a row, ``times_ejected`` since the last success.
    ``until`` is the end of the ejection, 0 when there is none.
    """

    state: HealthState
    since: float
    reason: str
    failures: int
    times_ejected: int
    until: float
    transitions: tuple[Transition, ...]


class Ejection(NamedTuple):
    """News for the other workers of a node: ejected until an instant, or back (0).

    When ``until`` is not after ``at``, the ejection ends, but its failures still count.
    Instants are core seconds; all processes of a machine have the same clock.
    """

    key: Key
    at: float
    until: float
    times: int
    reason: str


_ORDER: Final = ("healthy", "suspect", "ejected")
UNKNOWN: Final = Health("healthy", 0.0, "", 0, 0, 0.0, ())


@dataclass(slots=True)
class Suspect:
    """A front end whose last outcome was a failure.

    ``is_silent`` is set when it was ejected for saying nothing.  Until ``trial_until``
    one call finds out whether it is back.
    """

    failures: int = 0
    times_ejected: int = 0
    last_failure: float = float("-inf")
    until: float = float("-inf")
    trial_until: float = float("-inf")
    is_silent: bool = False


class HealthBook:
    """Passive health of every front end that has ever failed.

    ``suspects`` is empty while nothing is wrong, and public so that a hot path can test
    it before it builds a key.  ``ejected`` has the keys that have been ejected and have
    had no success since.  ``on_change`` is called for every ejection and its end.
    ``doubts`` has the front ends that let a request wait and have answered none since,
    with the instant when that began.

    The addresses that strangers name in their Contacts stand here too, so the book is
    bounded; those for which ``is_ours`` go last.
    """

    __slots__ = ("_histories", "doubts", "ejected", "is_ours", "on_change", "suspects")

    def __init__(self) -> None:
        self.suspects: dict[Key, Suspect] = {}
        self.doubts: dict[Key, float] = {}
        self.ejected: set[Key] = set()
        self._histories: dict[Key, deque[Transition]] = {}
        self.on_change: Callable[[Ejection], None] | None = None
        self.is_ours: Callable[[Key], bool] = _nobody

    # -- front ends: an address, and the same address as one of its pool ------------

    def succeeded(self, front_end: FrontEnd, now: float) -> None:
        """A front end answered: forget the failures of its address, and of its pool
        there."""
        self.record_success(front_end.address_key, now)
        self.record_success(front_end.pool_key, now)

    def failed(
        self, front_end: FrontEnd, reason: str, now: float, is_silent: bool = False
    ) -> bool:
        """A call failed at a front end; True when that ejected it.

        TLS fails for the name that was asked for, and a status comes from the service
        of one pool.  Neither says anything about another pool at the same address.
        """
        is_of_pool = reason == "tls" or reason.isdigit()
        key = front_end.pool_key if is_of_pool else front_end.address_key
        return self.record_failure(key, reason, now, is_silent)

    def is_out(self, front_end: FrontEnd, now: float) -> bool:
        """True while this front end should be tried last."""
        return bool(self.ejected) and (
            self.is_ejected(front_end.address_key, now)
            or self.is_ejected(front_end.pool_key, now)
        )

    def out_until(self, front_end: FrontEnd) -> float:
        """The end of its last ejection; 0 when there was none."""
        return max(
            self.ejected_until(front_end.address_key),
            self.ejected_until(front_end.pool_key),
        )

    def was_ejected(self, front_end: FrontEnd) -> bool:
        """True when it has been ejected and has had no success since."""
        return (
            front_end.address_key in self.ejected or front_end.pool_key in self.ejected
        )

    def try_front_end(self, front_end: FrontEnd, now: float) -> None:
        """A call begins that finds out whether an ejected front end is back."""
        self.try_out(front_end.address_key, now)
        self.try_out(front_end.pool_key, now)

    def state_of(self, front_end: FrontEnd, now: float) -> Health:
        """How a front end stands, for display: the worse of its address and its pool
        there."""
        found = [
            self.health(front_end.address_key, now),
            self.health(front_end.pool_key, now),
        ]
        known = [each for each in found if each.transitions]
        if len(known) < 2:
            return known[0] if known else UNKNOWN
        worst = max(known, key=lambda each: (_ORDER.index(each.state), each.since))
        both = sorted(known[0].transitions + known[1].transitions)
        return worst._replace(transitions=tuple(both[-HISTORY:]))

    # -- keys ----------------------------------------------------------------------

    def record_success(self, key: Key, now: float) -> None:
        """The front end answered: forget its failures."""
        if self.doubts:
            self.doubts.pop(key, None)
        if self.suspects and self.suspects.pop(key, None) is not None:
            was_ejected = key in self.ejected
            self.ejected.discard(key)
            self._note(key, now, "healthy", "answered")
            if was_ejected and self.on_change is not None:
                self.on_change(Ejection(key, now, 0.0, 0, "answered"))

    def doubt(self, key: Key, now: float) -> None:
        """A request has waited for a while and has got nothing back."""
        if len(self.doubts) >= MAX_KNOWN:
            del self.doubts[self._least(self.doubts)]
        self.doubts.setdefault(key, now)

    def heard(self, key: Key) -> None:
        """A front end has answered a request."""
        self.doubts.pop(key, None)

    def silent_for(self, key: Key, now: float) -> float:
        """For how long it has answered no request while one waited."""
        since = self.doubts.get(key)
        return 0.0 if since is None else now - since

    def record_failure(
        self, key: Key, reason: str, now: float, is_silent: bool = False
    ) -> bool:
        """A transport failure; True when it ejected the front end.

        With ``is_silent`` it answers no request at all, and one failure is enough.
        Failures at the same instant count once: a lost connection fails everything that
        was pending on it.  After an ejection has run out, the failures still count, so
        that a single further one ejects again.
        """
        suspect = self.suspects.get(key)
        if suspect is None:
            self._make_room()
            suspect = self.suspects[key] = Suspect()
        elif now <= suspect.last_failure:
            return False
        suspect.last_failure = now
        suspect.failures += 1
        if is_silent:
            suspect.failures = max(suspect.failures, FAILURES_TO_EJECT)
            reason = SILENT
        if suspect.failures < FAILURES_TO_EJECT:
            self._note(key, now, "suspect", reason)
            return False
        if now < suspect.until:
            return False  # a late failure of an attempt made before the ejection
        suspect.times_ejected += 1
        seconds = min(EJECTION_SECONDS * suspect.times_ejected, MAX_EJECTION_SECONDS)
        suspect.until = now + seconds
        suspect.trial_until = now
        suspect.is_silent = is_silent
        self.ejected.add(key)
        self._note(key, now, "ejected", reason)
        if self.on_change is not None:
            times = suspect.times_ejected
            self.on_change(Ejection(key, now, suspect.until, times, reason))
        return True

    def prolong(self, key: Key, reason: str, until: float, now: float) -> None:
        """Keep a front end ejected until then, or eject it again: a call would fail.

        It does not count as a failure, so it does not make the next ejection longer.
        """
        suspect = self.suspects.get(key)
        if suspect is None or key not in self.ejected or until <= suspect.until:
            return
        if now >= suspect.until:
            self._note(key, now, "ejected", reason)
        suspect.until = until
        if self.on_change is not None:
            times = suspect.times_ejected
            self.on_change(Ejection(key, now, until, times, reason))

    def end_ejection(self, key: Key, reason: str, now: float) -> None:
        """End an ejection; the failures still count, so one more ejects again."""
        if self.is_ejected(key, now):
            suspect = self.suspects[key]
            suspect.until = now
            self._note(key, now, "suspect", reason)
            if self.on_change is not None:
                times = suspect.times_ejected
                self.on_change(Ejection(key, now, now, times, reason))

    def try_out(self, key: Key, now: float) -> None:
        """A call begins that finds out whether an ejected front end is back."""
        suspect = self.suspects.get(key)
        if suspect is None or key not in self.ejected or self.is_ejected(key, now):
            return
        suspect.trial_until = until = now + TRIAL_SECONDS
        if self.on_change is not None:
            times = suspect.times_ejected
            self.on_change(Ejection(key, now, until, times, "on trial"))

    def take_over(self, news: Ejection) -> None:
        """Another worker has found a front end dead, or alive again."""
        key, at, until, times, reason = news
        if not until:
            self.suspects.pop(key, None)
            if key in self.ejected:
                self.ejected.discard(key)
                self._note(key, at, "healthy", reason)
            return
        if until <= at:
            if self.is_ejected(key, at):
                self.suspects[key].until = until
                self._note(key, at, "suspect", reason)
            return
        suspect = self.suspects.get(key)
        if suspect is None:
            self._make_room()
            suspect = self.suspects[key] = Suspect()
        elif suspect.until >= until:
            return
        suspect.failures = max(suspect.failures, FAILURES_TO_EJECT)
        suspect.times_ejected = max(suspect.times_ejected, times)
        suspect.last_failure = max(suspect.last_failure, at)
        if at >= suspect.until:  # else it is prolonged
            self._note(key, at, "ejected", reason)
            suspect.is_silent = reason == SILENT
        suspect.until = until
        self.ejected.add(key)

    def is_ejected(self, key: Key, now: float) -> bool:
        """True while this front end should be tried last."""
        if key not in self.ejected:
            return False
        suspect = self.suspects[key]
        return now < suspect.until or now < suspect.trial_until

    def ejected_until(self, key: Key) -> float:
        """The end of the last ejection; 0 when there was none."""
        return self.suspects[key].until if key in self.ejected else 0.0

    def health(self, key: Key, now: float) -> Health:
        """How this front end stands, for display."""
        history = self._histories.get(key)
        if history is None:
            return UNKNOWN
        transitions = tuple(history)
        last = transitions[-1]
        suspect = self.suspects.get(key)
        if suspect is None:
            return Health(last.state, last.at, last.reason, 0, 0, 0.0, transitions)
        state, since = last.state, last.at
        if state == "ejected" and now >= suspect.until:
            state, since = "suspect", suspect.until  # back, until it fails once more
        return Health(
            state,
            since,
            last.reason,
            suspect.failures,
            suspect.times_ejected,
            suspect.until if state == "ejected" else 0.0,
            transitions,
        )

    def known(self) -> list[Key]:
        """Every front end that has a history."""
        return list(self._histories)

    def _note(self, key: Key, now: float, state: HealthState, reason: str) -> None:
        history = self._histories.setdefault(key, deque(maxlen=HISTORY))
        history.append(Transition(now, state, reason))

    def _make_room(self) -> None:
        """Forget the oldest histories: addresses come and go with DNS."""
        while len(self._histories) >= MAX_KNOWN:
            oldest = self._least(self._histories)
            del self._histories[oldest]
            self.suspects.pop(oldest, None)
            self.ejected.discard(oldest)

    def _least(self, known: Iterable[Key]) -> Key:
        """Which one to forget: the oldest that is no front end of ours, if there is
        one."""
        oldest: Key | None = None
        for key in known:
            if not self.is_ours(key):
                return key
            oldest = oldest or key
        assert oldest is not None
        return oldest


def _nobody(key: Key) -> bool:
    """Before anybody has said which ones are."""
    return False
